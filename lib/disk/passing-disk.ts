/** A disk that passes by in order, for a reader that goes forward as well: what a compressed target needs. */
import { AppError } from "#lib/errors.ts";
import type { BlockSource, Extent } from "./block-source.ts";
import type { DiskPiece } from "./disk-stream.ts";
import { isZero } from "./zeros.ts";

/** What is read at once by who compresses, and the largest cluster; a window is one extent. */
const WINDOW = 2_097_152;
/** Windows that were told and not yet read whole. A reader some MiB behind is usual, one far behind is lost. */
const MOST_WINDOWS = 32;

interface Window {
  readonly bytes: Buffer;
  unread: number;
}

/**
 * `extents` can be asked for once, and tells extents of at most 2 MiB; neighbours may be of one kind. Bytes can be
 * read once, after their extent was told. Pieces are sorted, each byte at most once.
 */
export class PassingDisk implements BlockSource {
  readonly size: number;
  readonly #pieces: (signal?: AbortSignal) => AsyncIterable<DiskPiece>;
  readonly #windows = new Map<number, Window>();

  constructor(size: number, pieces: (signal?: AbortSignal) => AsyncIterable<DiskPiece>) {
    this.size = size;
    this.#pieces = pieces;
  }

  async *extents(signal?: AbortSignal): AsyncIterable<Extent> {
    let current: Buffer | null = null;
    let index = 0;
    let told = 0;
    for await (const { offset, bytes } of this.#pieces(signal)) {
      for (let pos = 0; pos < bytes.length; ) {
        const at = Math.floor((offset + pos) / WINDOW);
        const from = offset + pos - at * WINDOW;
        const part = bytes.subarray(pos, Math.min(bytes.length, pos + WINDOW - from));
        if (current !== null && at !== index) {
          yield* this.#tell(current, index, told);
          told = index * WINDOW + current.length;
          current = null;
        }
        if (current === null) {
          current = Buffer.alloc(Math.min(WINDOW, this.size - at * WINDOW));
          index = at;
        }
        current.set(part, from);
        pos += part.length;
      }
    }
    if (current !== null) {
      yield* this.#tell(current, index, told);
      told = index * WINDOW + current.length;
    }
    if (told < this.size) yield { offset: told, length: this.size - told, kind: "zero" };
  }

  *#tell(bytes: Buffer, index: number, told: number): Iterable<Extent> {
    const offset = index * WINDOW;
    if (offset > told) yield { offset: told, length: offset - told, kind: "zero" };
    if (isZero(bytes)) {
      yield { offset, length: bytes.length, kind: "zero" };
      return;
    }
    this.#windows.set(index, { bytes, unread: bytes.length });
    if (this.#windows.size > MOST_WINDOWS) {
      const oldest = this.#windows.keys().next();
      if (!oldest.done) this.#windows.delete(oldest.value);
    }
    yield { offset, length: bytes.length, kind: "data" };
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    for (let done = 0; done < into.length; ) {
      const index = Math.floor((offset + done) / WINDOW);
      const from = offset + done - index * WINDOW;
      const window = this.#windows.get(index);
      if (window === undefined) {
        throw new AppError("internal", "stream.went-back", `Byte ${offset + done} of a passing disk is not there.`);
      }
      const part = window.bytes.subarray(from, from + into.length - done);
      into.set(part, done);
      window.unread -= part.length;
      if (window.unread <= 0) this.#windows.delete(index);
      done += part.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#windows.clear();
  }
}
