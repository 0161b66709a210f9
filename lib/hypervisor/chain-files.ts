/** A disk of a host with all that it is a difference of, as files of one image. */
import type { posix } from "node:path";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { ImageFile } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import type { MachineFiles } from "#lib/wire/machine-files.ts";
import type { HostDisk } from "./adapter.ts";
import { openImageDisk } from "./image-disk.ts";

/** Enough for a 2 TB disk in 2 GB extents. */
const MOST_FILES = 2048;
const UNCHANGED_MS = 2000;

/** Where the files are and how paths are made there. */
export interface ChainPlace {
  readonly files: MachineFiles;
  readonly paths: Pick<typeof posix, "join" | "dirname" | "basename">;
}

/** `location`: full path on the host. */
export interface ChainLink {
  readonly location: string;
  readonly format: SourceFormatId | null;
}

/**
 * The top first. The parents lie where the host says, whatever the files themselves say; beside each of them only plain
 * files can be reached (the extents of a VMDK). Reading ends with `vm.running` when a file is written to meanwhile,
 * with `disk.not-found` when it is deleted.
 */
export async function openChain(
  place: ChainPlace,
  chain: readonly ChainLink[],
  signal?: AbortSignal,
): Promise<HostDisk> {
  const top = chain[0];
  if (top === undefined) throw new AppError("not-found", "disk.not-found", "There is no such disk.");
  const files = new ChainFiles(place, chain);
  try {
    const image = await files.first(signal);
    return await openImageDisk({ ...image, [Symbol.asyncDispose]: () => files.close() }, top.format, signal);
  } catch (error) {
    await files.close();
    throw error;
  }
}

class ChainFiles {
  readonly #place: ChainPlace;
  /** Name → path of the chain's own files, the top first. */
  readonly #registered = new Map<string, string>();
  readonly #folder: string;
  readonly #opened: AsyncDisposable[] = [];

  constructor(place: ChainPlace, chain: readonly ChainLink[]) {
    const { paths } = place;
    this.#place = place;
    this.#folder = paths.dirname(chain.at(-1)?.location ?? "");
    for (const { location } of chain) this.#registered.set(this.#nameFor(paths.basename(location)), location);
  }

  /** Two files of one name in different folders are two files. */
  #nameFor(base: string): string {
    let name = base;
    for (let copy = 2; this.#registered.has(name); copy += 1) name = `${copy} ${base}`;
    return name;
  }

  async first(signal?: AbortSignal): Promise<ImageFile> {
    const [[name, path] = ["", ""]] = this.#registered;
    return this.#open(name, path, false, signal);
  }

  async #open(name: string, path: string, plain: boolean, signal?: AbortSignal): Promise<ImageFile> {
    if (this.#opened.length >= MOST_FILES)
      throw new AppError("unprocessable", "image.too-many-files", `The disk names more than ${MOST_FILES} files.`);
    const { files } = this.#place;
    const before = await files.stat(path, signal);
    const bytes = await files.open(path, { plain, signal });
    this.#opened.push(bytes);
    const guarded = unchanged(bytes, path, before?.mtime ?? 0, files);
    return {
      name,
      home: this.#place.paths.dirname(path),
      bytes: guarded,
      sibling: (asked) => this.#sibling(name, asked),
      siblings: async () => [...this.#registered.keys()],
    };
  }

  async #sibling(owner: string, asked: string): Promise<ImageFile> {
    const registered = this.#registered.get(asked);
    if (registered !== undefined) return this.#open(asked, registered, false);
    if (asked === "" || asked === "." || asked === ".." || /[/\\\0]/.test(asked)) {
      throw new AppError(
        "unprocessable",
        "image.path-escapes",
        `${owner} names “${asked}”, which is no plain file beside it.`,
        {
          details: { file: owner, path: asked.slice(0, 200) },
        },
      );
    }
    const own = this.#registered.get(owner);
    const { paths } = this.#place;
    const path = paths.join(own === undefined ? this.#folder : paths.dirname(own), asked);
    try {
      return await this.#open(asked, path, true);
    } catch (error) {
      if (!(error instanceof AppError && error.code === "io.not-found")) throw error;
      throw new AppError(
        "unprocessable",
        "image.sibling-missing",
        `${owner} needs ${asked} beside it, which is not there.`,
        {
          details: { file: owner, missing: asked },
          cause: error,
        },
      );
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((each) => each[Symbol.asyncDispose]()));
  }
}

/** A VM that was started meanwhile writes to its disk: what was read before and after would not fit together. */
function unchanged(bytes: ImageFile["bytes"], path: string, mtime: number, files: MachineFiles): ImageFile["bytes"] {
  let checkedAt = Date.now();
  const { allocated } = bytes;
  return {
    size: bytes.size,
    ...(allocated === undefined ? {} : { allocated: (signal) => allocated.call(bytes, signal) }),
    async read(offset, into, signal) {
      await bytes.read(offset, into, signal);
      if (Date.now() - checkedAt < UNCHANGED_MS) return;
      checkedAt = Date.now();
      const now = await files.stat(path, signal);
      if (now === null)
        throw new AppError("conflict", "disk.not-found", `${path} was deleted while it was read.`, {
          hint: "The VM was removed, or its disk was. Nothing of the unfinished copy is kept.",
        });
      if (now.mtime !== mtime)
        throw new AppError("conflict", "vm.running", `${path} was written to while it was read.`, {
          hint: "Leave the VM switched off until its disk has been read.",
        });
    },
    [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
  };
}
