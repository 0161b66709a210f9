/** An image on this machine and the files beside it, and nothing beyond its folder. */
import { opendir, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "#lib/errors.ts";
import type { ByteSource, ImageFile } from "../io.ts";
import { mainFileOf } from "./bundle.ts";
import { fileError, isCode } from "./file-error.ts";
import { openFileSource, type OpenFileOptions } from "./file-source.ts";
import type { FileGuard, LocatedFile } from "./open-located.ts";

/** Enough for a 2 TB disk in 2 GB extents; stops an image that names files for ever. */
const MOST_SIBLINGS = 2048;
/** Names told of one folder. */
const MOST_LISTED = 5000;

export interface OpenImageFileOptions {
  /** Name for messages where the path on disk says nothing to a person. */
  readonly name?: string;
  /** See ImageFile; holds for the files beside it as well. */
  readonly acceptDirty?: boolean;
  /** The image and all files beside it are plain files, not links, and this is asked of each once it is open. */
  readonly guard?: FileGuard;
}

class Folder {
  readonly #path: string;
  readonly #acceptDirty: boolean;
  readonly #guard: FileGuard | undefined;
  readonly #opened: ByteSource[] = [];

  constructor(path: string, { acceptDirty = false, guard }: OpenImageFileOptions) {
    this.#path = path;
    this.#acceptDirty = acceptDirty;
    this.#guard = guard;
  }

  /** The file that was named: without a guard also a disk, or a link to one. */
  main(path: string): Promise<ByteSource> {
    return this.#open(path, this.#guard === undefined ? {} : { plainOnly: true, guard: this.#guard });
  }

  async #open(path: string, options: OpenFileOptions): Promise<ByteSource> {
    if (this.#opened.length >= MOST_SIBLINGS) {
      throw new AppError("unprocessable", "image.too-many-files", `The image names more than ${MOST_SIBLINGS} files.`);
    }
    const bytes = await openFileSource(path, options);
    this.#opened.push(bytes);
    return bytes;
  }

  async sibling(owner: string, asked: string): Promise<ImageFile> {
    const name = asked.startsWith("./") ? asked.slice(2) : asked;
    if (name === "" || name === "." || name === ".." || name.length > 255 || /[/\\\0]/.test(name)) {
      throw escapes(owner, asked);
    }
    // A link may stand for a file of this folder. Where it leads is asked of the open file: the name may lead elsewhere by now.
    const beside = async (file: LocatedFile): Promise<void> => {
      if (dirname(file.path) !== this.#path || !file.stats.isFile()) throw escapes(owner, asked);
      await this.#guard?.(file);
    };
    try {
      return this.file(name, await this.#open(join(this.#path, name), { guard: beside }));
    } catch (error) {
      if (error instanceof AppError && error.code === "io.not-found") throw missing(owner, name, error);
      if (error instanceof AppError && error.code === "io.not-a-file") throw escapes(owner, asked);
      if (error instanceof AppError && isCode(error.cause, "ENAMETOOLONG")) throw missing(owner, name, error);
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
 * Opens an image; of a folder that is one, the file that stands for it. Disposing it closes it and every sibling that was opened through it.
 * Throws AppError `io.*`; sibling() throws `image.path-escapes`, `image.sibling-missing`, `image.too-many-files`.
 */
export async function openImageFile(
  path: string,
  options: OpenImageFileOptions = {},
): Promise<ImageFile & AsyncDisposable> {
  const full = await mainFileOf(resolve(path));
  let parent: string;
  try {
    parent = await realpath(dirname(full));
  } catch (error) {
    throw fileError(error, `Opening ${path}`);
  }
  const folder = new Folder(parent, options);
  const file = folder.file(options.name ?? basename(full), await folder.main(full));
  return { ...file, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
