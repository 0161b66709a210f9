/** A disk that lies byte for byte in a part of a file. */
import type { Extent, Located } from "./block-source.ts";
import { requireBytes, type NamedBytes } from "./fields.ts";
import type { Held, Layer } from "./layer.ts";
import { mergeExtents, requireInside } from "./mapped-disk.ts";

export class FlatDisk implements Layer {
  readonly size: number;
  readonly #file: NamedBytes;
  readonly #at: number;

  /** `size` bytes from byte `at` of the file, which it then owns. Throws `image.truncated` if they are not all there. */
  constructor(file: NamedBytes, at: number, size: number) {
    requireBytes(file, at, size, "the disk's data");
    this.#file = file;
    this.#at = at;
    this.size = size;
  }

  extents(signal?: AbortSignal): AsyncIterable<Extent> {
    return mergeExtents(this.#allocated(signal));
  }

  /** Holes of the file are zeros of the disk, where the file can tell them. */
  async *#allocated(signal: AbortSignal | undefined): AsyncIterable<Extent> {
    const ranges = this.#file.bytes.allocated?.(signal);
    if (ranges === undefined) {
      if (this.size > 0) yield { offset: 0, length: this.size, kind: "data" };
      return;
    }
    let done = 0;
    for await (const range of ranges) {
      const from = Math.max(range.offset - this.#at, done);
      const to = Math.min(range.offset + range.length - this.#at, this.size);
      if (to <= from) continue;
      if (from > done) yield { offset: done, length: from - done, kind: "zero" };
      yield { offset: from, length: to - from, kind: "data" };
      done = to;
    }
    if (done < this.size) yield { offset: done, length: this.size - done, kind: "zero" };
  }

  /** A flat file leaves nothing to a parent: its holes are zeros that were meant. */
  held(_offset: number, limit: number): Held {
    return { length: limit, kind: "data" };
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    requireInside(this, offset, into.length);
    await this.#file.bytes.read(this.#at + offset, into, signal);
  }

  locate(offset: number, limit: number): Located {
    requireInside(this, offset, limit);
    return { kind: "file", length: limit, bytes: this.#file.bytes, at: this.#at + offset };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.bytes[Symbol.asyncDispose]();
  }
}
