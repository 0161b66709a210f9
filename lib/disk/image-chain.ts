/** The files that one image is made of: each once, all from the image's own folder, and so many at most. */
import { AppError } from "#lib/errors.ts";
import { refused } from "./image-error.ts";
import type { ImageFile } from "./io.ts";

/** Long chains are legal but slow; a chain like this one is nobody's intent. */
const DEEPEST_CHAIN = 64;
/** Files whose beginning is read to find a parent that is known by its identity alone. */
const MOST_SEARCHED = 1000;

export class ImageChain {
  /** Names of the chain's images, the opened one first. */
  readonly images: string[] = [];
  readonly #opened = new Map<string, ImageFile>();
  readonly #first: ImageFile;
  /** Identity → name, made when it is first asked for. */
  #known: Map<string, string> | null = null;

  constructor(image: ImageFile) {
    this.#first = image;
  }

  /** Every file of the image, the opened one first. */
  get files(): readonly string[] {
    return [...new Set([this.#first.name, ...this.#opened.keys()])];
  }

  /** Counts `image` as the chain's next one. Throws `image.chain-loop`, `image.chain-too-deep`. */
  enter(image: ImageFile): void {
    const { name } = image;
    if (this.images.includes(name)) {
      throw refused(
        name,
        0,
        "image.chain-loop",
        "is its own parent, directly or through others",
        "Bring the chain's original files again: one of them was replaced by another.",
      );
    }
    if (this.images.length >= DEEPEST_CHAIN) {
      throw refused(
        name,
        0,
        "image.chain-too-deep",
        `stands below ${DEEPEST_CHAIN} others`,
        "Merge the snapshots into one disk first.",
      );
    }
    this.images.push(name);
  }

  /** A file beside the image, opened once however often it is named. Throws as `ImageFile.sibling` does. */
  async open(name: string): Promise<ImageFile> {
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const file = await this.#first.sibling(name);
    this.#opened.set(name, file);
    return file;
  }

  /**
   * The parent that `owner` names by one of these paths. They were made on another machine, so only their last part
   * counts, and capitals do not where the folder has no file of the exact name. Throws `image.sibling-missing`.
   */
  async parent(owner: string, paths: readonly string[]): Promise<ImageFile> {
    const names = [...new Set(paths.map(lastPart).filter((name) => name !== "" && name !== "." && name !== ".."))];
    let missing: unknown = null;
    for (const name of names) {
      try {
        return await this.open(name);
      } catch (error) {
        if (!(error instanceof AppError && error.code === "image.sibling-missing")) throw error;
        missing ??= error;
      }
    }
    const there = (await this.#first.siblings?.()) ?? [];
    for (const name of names) {
      const same = there.find((each) => each.toLowerCase() === name.toLowerCase());
      if (same !== undefined) return this.open(same);
    }
    if (names.length === 0) throw parentMissing(owner, "does not tell the name of its parent");
    throw parentMissing(
      owner,
      `holds only what changed since ${shown(names[0] ?? "")}, which is not beside it`,
      missing,
    );
  }

  /**
   * The file beside the image whose identity, as `identify` tells it, is `wanted`; null when there is none.
   * `suffix` in lower case: only files that end so are looked at.
   */
  async search(
    wanted: string,
    suffix: string,
    identify: (file: ImageFile) => Promise<string | null>,
    signal?: AbortSignal,
  ): Promise<ImageFile | null> {
    this.#known ??= await this.#identifyAll(suffix, identify, signal);
    const name = this.#known.get(wanted);
    return name === undefined ? null : this.open(name);
  }

  async #identifyAll(
    suffix: string,
    identify: (file: ImageFile) => Promise<string | null>,
    signal: AbortSignal | undefined,
  ): Promise<Map<string, string>> {
    const known = new Map<string, string>();
    const names = ((await this.#first.siblings?.()) ?? []).filter((name) => name.toLowerCase().endsWith(suffix));
    for (const name of names.slice(0, MOST_SEARCHED)) {
      signal?.throwIfAborted();
      const identity = await this.#identifyOne(name, identify);
      if (identity !== null && !known.has(identity)) known.set(identity, name);
    }
    return known;
  }

  /** Strangers in the folder may be damaged, locked or gone: they are not the parent, and that is all. */
  async #identifyOne(name: string, identify: (file: ImageFile) => Promise<string | null>): Promise<string | null> {
    try {
      const file = await this.#first.sibling(name);
      try {
        return await identify(file);
      } finally {
        await file.bytes[Symbol.asyncDispose]();
      }
    } catch (error) {
      if (error instanceof AppError) return null;
      throw error;
    }
  }

  /** Closes what was opened, all but the first image. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#opened.values()].map((file) => file.bytes[Symbol.asyncDispose]()));
  }
}

function lastPart(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? "";
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

/** A difference without the image that it differs from. `what` follows its name. */
export function parentMissing(owner: string, what: string, cause?: unknown): AppError {
  return new AppError("unprocessable", "image.parent-missing", `${owner} ${what}.`, {
    hint: "Put the parent, and its parents, into the same folder; or merge the chain on its host and bring the result.",
    details: { file: owner, offset: 0 },
    ...(cause === undefined || cause === null ? {} : { cause }),
  });
}

/** A parent that is not the one, or not any more: reading on would give a wrong disk. `offset` is the field's. */
export function parentMismatch(owner: string, offset: number, parent: string, what: string): AppError {
  return new AppError("unprocessable", "image.parent-mismatch", `${owner} does not belong to ${parent}: ${what}.`, {
    hint: "The parent was changed or replaced after the difference was made. Bring the one that belongs to it.",
    details: { file: owner, offset, parent },
  });
}
