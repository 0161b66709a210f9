/** XDR decoding (RFC 4506). Every length is checked against what is there before anything is allocated. */
import { AppError } from "#lib/errors.ts";

export class XdrReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #take(length: number): Buffer {
    if (length < 0 || this.#at + length > this.#bytes.length) {
      throw new AppError("unavailable", "host.protocol", "The host's answer is shorter than it says.", {
        details: { offset: this.#at },
      });
    }
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  uint(): number {
    return this.#take(4).readUInt32BE();
  }

  /** Unsigned 64 bits as a number; beyond 2^53 it is cut to that, as no disk or memory is so large. */
  hyper(): number {
    const value = this.#take(8).readBigUInt64BE();
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }

  fixed(length: number): Buffer {
    const part = Buffer.from(this.#take(length));
    this.#take((4 - (length % 4)) % 4);
    return part;
  }

  string(): string {
    return this.fixed(this.uint()).toString("utf8");
  }

  optional<T>(read: (reader: this) => T): T | null {
    return this.uint() === 0 ? null : read(this);
  }

  array<T>(read: (reader: this) => T): T[] {
    const count = this.uint();
    // Every element takes four bytes at least.
    if (count * 4 > this.#bytes.length - this.#at) this.#take(Number.MAX_SAFE_INTEGER);
    return Array.from({ length: count }, () => read(this));
  }
}
