/** XDR decoding (RFC 4506). Every length is checked against what is there before anything is allocated. */
import { AppError } from "#lib/errors.ts";

/** What a protocol allows: bytes of one text, things in one list. */
export interface XdrLimits {
  readonly text: number;
  readonly list: number;
}

export class XdrReader {
  readonly #bytes: Buffer;
  readonly #limits: XdrLimits;
  #at = 0;

  constructor(bytes: Buffer, limits: XdrLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
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
    const length = this.uint();
    if (length > this.#limits.text) throw tooLong(`a text of ${length} bytes`);
    return this.fixed(length).toString("utf8");
  }

  optional<T>(read: (reader: this) => T): T | null {
    return this.uint() === 0 ? null : read(this);
  }

  array<T>(read: (reader: this) => T): T[] {
    const count = this.uint();
    if (count > this.#limits.list) throw tooLong(`a list of ${count} things`);
    // Every element takes four bytes at least.
    if (count * 4 > this.#bytes.length - this.#at) this.#take(Number.MAX_SAFE_INTEGER);
    return Array.from({ length: count }, () => read(this));
  }
}

function tooLong(what: string): AppError {
  return new AppError(
    "unavailable",
    "host.protocol",
    `The host's answer holds ${what}, more than its protocol allows.`,
  );
}
