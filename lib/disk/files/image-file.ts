/** An image on this machine and the files beside it, and nothing beyond its folder. */
import { opendir, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "#lib/errors.ts";
import type { ByteSource, ImageFile } from "../io.ts";
import { fileError, isCode } from "./file-error.ts";
import { openFileSource } from "./file-source.ts";

/** Enough for a 2 TB disk in 2 GB extents; stops an image that names files for ever. */
const MOST_SIBLINGS = 2048;
/** Names told of one folder. */
const MOST_LISTED = 5000;

export interface OpenImageFileOptions {
  /** Name for messages where the path on disk says nothing to a person. */
  readonly name?: string;
  /** See ImageFile; holds for the files beside it as well. */
  readonly acceptDirty?: boolean;
}

class Folder {
  readonly #path: string;
  readonly #acceptDirty: boolean;
  readonly #opened: ByteSource[] = [];

  constructor(path: string, acceptDirty: boolean) {
    this.#path = path;
    this.#acceptDirty = acceptDirty;
  }

  async open(path: string, plainOnly: boolean): Promise<ByteSource> {
    if (this.#opened.length >= MOST_SIBLINGS) {
      throw new AppError("unprocessable", "image.too-many-files", `The image names more than ${MOST_SIBLINGS} files.`);
    }
    const bytes = await openFileSource(path, { plainOnly });
    this.#opened.push(bytes);
    return bytes;
  }

  async sibling(owner: string, asked: string): Promise<ImageFile> {
    const name = asked.startsWith("./") ? asked.slice(2) : asked;
    if (name === "" || name === "." || name === ".." || name.length > 255 || /[/\\\0]/.test(name)) {
      throw escapes(owner, asked);
    }
    let real: string;
    try {
      real = await realpath(join(this.#path, name));
    } catch (error) {
      if (isCode(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG")) throw missing(owner, name, error);
      // A loop of links leads nowhere good either.
      if (isCode(error, "ELOOP")) throw escapes(owner, asked);
      throw fileError(error, `Opening ${name}, which belongs to ${owner},`);
    }
    if (dirname(real) !== this.#path) throw escapes(owner, asked);
    try {
      return this.file(name, await this.open(real, true));
    } catch (error) {
      if (error instanceof AppError && error.code === "io.not-found") throw missing(owner, name, error);
      if (error instanceof AppError && error.code === "io.not-a-file") throw escapes(owner, asked);
      throw error;
    }
  }

  /** Links are left out: where they lead is asked only of those that an image names. */
  async list(): Promise<readonly string[]> {
    const names: string[] = [];
    try {
      for await (const entry of await opendir(this.#path)) {
        if (entry.isFile()) names.push(entry.name);
        if (names.length === MOST_LISTED) break;
      }
    } catch (error) {
      throw fileError(error, `Listing ${this.#path}`);
    }
    return names.sort();
  }

  file(name: string, bytes: ByteSource): ImageFile {
    return {
      name,
      bytes,
      acceptDirty: this.#acceptDirty,
      sibling: (asked) => this.sibling(name, asked),
      siblings: () => this.list(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((bytes) => bytes[Symbol.asyncDispose]()));
  }
}

function escapes(owner: string, asked: string): AppError {
  const shown = JSON.stringify(asked.slice(0, 200));
  return new AppError(
    "unprocessable",
    "image.path-escapes",
    `${owner} names ${shown}, which is not a plain file beside it.`,
    {
      hint: "Put all files of the image into one folder and let them name one another without a path.",
      details: { file: owner, path: asked.slice(0, 200) },
    },
  );
}

function missing(owner: string, name: string, cause: unknown): AppError {
  return new AppError(
    "unprocessable",
    "image.sibling-missing",
    `${owner} needs ${name} beside it, which is not there.`,
    {
      hint: "Bring all files of the image together.",
      details: { file: owner, missing: name },
      cause,
    },
  );
}

/**
 * Opens an image. Disposing it closes it and every sibling that was opened through it.
 * Throws AppError `io.*`; sibling() throws `image.path-escapes`, `image.sibling-missing`, `image.too-many-files`.
 */
export async function openImageFile(
  path: string,
  options: OpenImageFileOptions = {},
): Promise<ImageFile & AsyncDisposable> {
  const full = resolve(path);
  let parent: string;
  try {
    parent = await realpath(dirname(full));
  } catch (error) {
    throw fileError(error, `Opening ${path}`);
  }
  const folder = new Folder(parent, options.acceptDirty ?? false);
  const file = folder.file(options.name ?? basename(full), await folder.open(full, false));
  return { ...file, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
