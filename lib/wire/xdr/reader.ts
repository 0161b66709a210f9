/** XDR decoding (RFC 4506). Every length is checked against what is there before anything is allocated. */
import { AppError } from "#lib/errors.ts";
import { Slices } from "../slices.ts";

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
    const text = this.#take(length).toString("utf8");
    this.#take((4 - (length % 4)) % 4);
    return text;
  }

  optional<T>(read: (reader: this) => T): T | null {
    return this.uint() === 0 ? null : read(this);
  }

  array<T>(read: (reader: this) => T): T[] {
    return Array.from({ length: this.#count() }, () => read(this));
  }

  /** A list that may be long, with turns for others in between. */
  async list<T>(read: (reader: this) => T, signal?: AbortSignal): Promise<T[]> {
    const slices = new Slices();
    const found: T[] = [];
    for (let left = this.#count(); left > 0; left -= 1) {
      found.push(read(this));
      if (slices.over) await slices.rest(signal);
    }
    return found;
  }

  #count(): number {
    const count = this.uint();
    if (count > this.#limits.list) throw tooLong(`a list of ${count} things`);
    // Every element takes four bytes at least.
    if (count * 4 > this.#bytes.length - this.#at) this.#take(Number.MAX_SAFE_INTEGER);
    return count;
  }
}

function tooLong(what: string): AppError {
  return new AppError(
    "unavailable",
    "host.protocol",
    `The host's answer holds ${what}, more than its protocol allows.`,
  );
}
