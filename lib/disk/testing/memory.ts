/** Disks, files and targets in memory, for tests. */
import type { BlockSource, Extent } from "../block-source.ts";
import { AppError } from "#lib/errors.ts";
import type { ByteSink, ByteSource, ImageFile } from "../io.ts";

export function memoryBytes(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    async read(offset, into, signal) {
      signal?.throwIfAborted();
      if (offset + into.length > bytes.length) throw new RangeError("read past the end");
      into.set(bytes.subarray(offset, offset + into.length));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** An image and what lies beside it. Any other name is missing, and one with a path in it leads out. */
export function memoryImage(
  name: string,
  bytes: ByteSource,
  beside: ReadonlyMap<string, Uint8Array> = new Map(),
): ImageFile {
  return {
    name,
    bytes,
    async sibling(asked) {
      const found = asked === name ? bytes : beside.get(asked);
      if (found !== undefined)
        return memoryImage(asked, found instanceof Uint8Array ? memoryBytes(found) : found, beside);
      const code = /[/\\\0]|^\.{0,2}$/.test(asked) ? "image.path-escapes" : "image.sibling-missing";
      throw new AppError("unprocessable", code, `${name} names ${JSON.stringify(asked.slice(0, 200))}.`);
    },
    siblings: async () => [name, ...beside.keys()],
  };
}

/** A disk whose extents are told by `kinds`: one letter a piece of `piece` bytes, `d` for data, anything else zeros. */
export function memoryDisk(bytes: Uint8Array, kinds?: string, piece = 512): BlockSource {
  return {
    size: bytes.length,
    async *extents() {
      const all: Extent[] = [];
      for (let offset = 0; offset < bytes.length; offset += piece) {
        const kind = kinds === undefined || kinds[offset / piece] === "d" ? "data" : "zero";
        const length = Math.min(piece, bytes.length - offset);
        const last = all.at(-1);
        if (last?.kind === kind) all[all.length - 1] = { ...last, length: last.length + length };
        else all.push({ offset, length, kind });
      }
      yield* all;
    },
    read: memoryBytes(bytes).read,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Remembers what was written; `bytes` is the file once it is committed. */
export class MemorySink implements ByteSink {
  readonly seekable: boolean;
  readonly writes: { offset: number; length: number }[] = [];
  bytes: Buffer | null = null;
  disposed = false;
  #content = Buffer.alloc(0);

  constructor(seekable = true) {
    this.seekable = seekable;
  }

  async write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const end = offset + bytes.length;
    if (this.#content.length < end)
      this.#content = Buffer.concat([this.#content, Buffer.alloc(end - this.#content.length)]);
    this.#content.set(bytes, offset);
    this.writes.push({ offset, length: bytes.length });
  }

  async commit(length: number): Promise<void> {
    if (this.#content.length > length) throw new RangeError("written past the committed length");
    this.bytes = Buffer.concat([this.#content, Buffer.alloc(length - this.#content.length)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
  }
}
