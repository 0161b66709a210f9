/** Random access to the front of a file that passes by once, and forward reading of the rest. */
import { AppError } from "#lib/errors.ts";
import { truncated } from "../image-error.ts";
import type { ByteSource } from "../io.ts";

/** Headers and tables at the front, kept while an image is opened. The table of a 62 TiB VHDX has 16 MiB. */
const MOST_HEAD = 64 * 1024 * 1024;
/** Kept of what was read last: neighbours share sectors. */
const TAIL = 65_536;

/** Not an error of the image: it cannot be read front to back. Whoever catches it keeps the bytes first. */
export class NotForward extends Error {}

/** The stream ended while its length was not known, which is known now: opening starts again. */
export class EndFound extends Error {}

export class ByteWindow {
  readonly name: string;
  readonly #input: AsyncIterator<Uint8Array>;
  /** Of the whole stream, when it is known. */
  #length: number | null;
  /** Everything from byte 0 on, until it is sealed. */
  #head = Buffer.alloc(0);
  #headLength = 0;
  #sealed = false;
  /** What came and was not asked for yet. */
  #rest: Uint8Array = Buffer.alloc(0);
  /** Offset of the next byte that was not taken out of the stream. */
  #at = 0;
  #tail = Buffer.alloc(0);
  #turn: Promise<unknown> = Promise.resolve();
  #ended = false;

  /** `length`: of the stream, bytes, when somebody vouches for it. */
  constructor(name: string, input: AsyncIterable<Uint8Array>, length: number | null) {
    this.name = name;
    this.#input = input[Symbol.asyncIterator]();
    this.#length = length;
  }

  /** A view for parsers, with the length as it is known now. Disposing it does nothing. */
  source(): ByteSource {
    return {
      size: this.#length ?? Number.MAX_SAFE_INTEGER,
      read: (offset, into, signal) => this.read(offset, into, signal),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  /** From now on nothing is kept of what passes: the image is open. */
  seal(): void {
    this.#sealed = true;
  }

  /**
   * One at a time, in the order of the calls. Throws `NotForward` for what is gone or too far ahead to be kept, and
   * `image.truncated` when the stream ends first.
   */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    const read = this.#turn.then(() => this.#read(offset, into, signal));
    this.#turn = read.catch(() => undefined);
    return read;
  }

  async #read(offset: number, into: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const end = offset + into.length;
    if (end <= this.#headLength) {
      into.set(this.#head.subarray(offset, end));
      return;
    }
    if (!this.#sealed) {
      if (end > MOST_HEAD) throw new NotForward(`byte ${end} is needed to open it`);
      while (this.#headLength < end) await this.#keep(end - this.#headLength, signal);
      return this.#read(offset, into, signal);
    }
    let done = 0;
    if (offset < this.#headLength) {
      done = this.#headLength - offset;
      into.set(this.#head.subarray(offset, this.#headLength), 0);
    }
    const kept = this.#at - this.#tail.length;
    if (offset + done < this.#at) {
      if (offset + done < kept) throw new NotForward(`byte ${offset} is asked for after byte ${this.#at}`);
      const part = this.#tail.subarray(offset + done - kept, end - kept);
      into.set(part, done);
      done += part.length;
    }
    while (this.#at < offset) await this.#take(Math.min(1_048_576, offset - this.#at), signal);
    while (done < into.length) {
      const part = await this.#take(into.length - done, signal);
      into.set(part, done);
      done += part.length;
    }
    this.#remember(into);
  }

  #remember(read: Uint8Array): void {
    this.#tail =
      read.length >= TAIL
        ? Buffer.from(read.subarray(read.length - TAIL))
        : Buffer.concat([this.#tail.subarray(Math.max(0, this.#tail.length + read.length - TAIL)), read]);
  }

  async #keep(most: number, signal: AbortSignal | undefined): Promise<void> {
    const part = await this.#take(most, signal);
    const length = this.#headLength + part.length;
    if (length > this.#head.length) {
      // Twice as much each time, so that a head of many small reads is not copied for each of them.
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#head.length * 2, 65_536));
      larger.set(this.#head.subarray(0, this.#headLength));
      this.#head = larger;
    }
    this.#head.set(part, this.#headLength);
    this.#headLength = length;
  }

  /** At least one byte and at most `most`; valid until the next call. */
  async #take(most: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      signal?.throwIfAborted();
      const next = await nextOf(this.#input, signal);
      if (next === null) {
        this.#ended = true;
        if (this.#length === null && !this.#sealed) {
          this.#length = this.#at;
          throw new EndFound();
        }
        throw truncated(this.name, this.#at, `it ends at byte ${this.#at}, in the middle of what its tables point to`);
      }
      this.#rest = next;
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    this.#at += part.length;
    return part;
  }

  /** Everything, from byte 0 on, as long as it is not sealed: for whoever keeps it elsewhere. */
  async *all(signal?: AbortSignal): AsyncIterable<Uint8Array> {
    await this.#turn;
    const head = this.#head.subarray(0, this.#headLength);
    this.#head = Buffer.alloc(0);
    this.#headLength = 0;
    if (head.length > 0) yield head;
    if (this.#rest.length > 0) yield this.#rest;
    this.#rest = Buffer.alloc(0);
    for (let next = this.#ended ? null : await nextOf(this.#input, signal); next !== null; ) {
      yield next;
      next = await nextOf(this.#input, signal);
    }
  }

  /**
   * Takes what is left after the last data, so that whoever sends it comes to an end and checks its own checksums.
   * Throws `stream.endless` after `most` bytes.
   */
  async drain(most: number, signal?: AbortSignal): Promise<void> {
    let left = most - this.#rest.length;
    while (!this.#ended) {
      const next = await nextOf(this.#input, signal);
      if (next === null) return;
      left -= next.length;
      if (left < 0) {
        throw new AppError(
          "unprocessable",
          "stream.endless",
          `${this.name} goes on for more than ${most} bytes after the disk's last data.`,
          { details: { offset: this.#at } },
        );
      }
    }
  }

  async close(): Promise<void> {
    this.#ended = true;
    this.#head = Buffer.alloc(0);
    this.#headLength = 0;
    await this.#input.return?.();
  }
}

async function nextOf(input: AsyncIterator<Uint8Array>, signal: AbortSignal | undefined): Promise<Uint8Array | null> {
  signal?.throwIfAborted();
  for (;;) {
    const next = await input.next();
    signal?.throwIfAborted();
    if (next.done === true) return null;
    if (next.value.length > 0) return next.value;
  }
}
