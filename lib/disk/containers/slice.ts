/** A part of a file as a file of its own: an entry of an archive, without a copy. */
import type { ByteSource } from "../io.ts";
import { AppError } from "#lib/errors.ts";

class Slice implements ByteSource {
  readonly size: number;
  readonly allocated?: (signal?: AbortSignal) => AsyncIterable<{ offset: number; length: number }>;
  readonly #whole: ByteSource;
  readonly #at: number;

  constructor(whole: ByteSource, at: number, size: number) {
    this.#whole = whole;
    this.#at = at;
    this.size = size;
    if (whole.allocated !== undefined) this.allocated = (signal) => this.#ranges(signal);
  }

  async *#ranges(signal: AbortSignal | undefined): AsyncIterable<{ offset: number; length: number }> {
    for await (const range of this.#whole.allocated?.(signal) ?? []) {
      const from = Math.max(range.offset - this.#at, 0);
      const to = Math.min(range.offset + range.length - this.#at, this.size);
      if (from >= this.size) return;
      if (from < to) yield { offset: from, length: to - from };
    }
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + into.length > this.size) {
      throw new AppError(
        "unprocessable",
        "io.short-read",
        `An entry of ${this.size} bytes was asked for ${into.length} bytes at ${offset}.`,
        { details: { offset, size: this.size } },
      );
    }
    await this.#whole.read(this.#at + offset, into, signal);
  }

  /** The file belongs to whoever made the slice. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** `length` bytes from `at`, which must lie inside `whole`. */
export function sliceOf(whole: ByteSource, at: number, length: number): ByteSource {
  return new Slice(whole, at, length);
}

/** Several files behind one another as one; owns none of them. */
export function joined(parts: readonly ByteSource[]): ByteSource {
  const starts: number[] = [];
  let size = 0;
  for (const part of parts) {
    starts.push(size);
    size += part.size;
  }
  return {
    size,
    async read(offset, into, signal) {
      let done = 0;
      for (const [i, part] of parts.entries()) {
        const within = offset + done - (starts[i] ?? 0);
        if (within < 0 || within >= part.size || done === into.length) continue;
        const length = Math.min(part.size - within, into.length - done);
        await part.read(within, into.subarray(done, done + length), signal);
        done += length;
      }
      if (done < into.length) {
        throw new AppError("unprocessable", "io.short-read", `${size} bytes were asked for byte ${offset + done}.`);
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
