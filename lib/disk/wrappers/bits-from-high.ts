/** Bits of bytes that come in pieces, the highest of a byte first. */
import type { Meter } from "./packing.ts";

export class BitsFromHigh {
  readonly #meter: Meter;
  #pieces: Uint8Array[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #waiting = 0;
  #at = 0;
  #ended = false;
  #held = 0;
  #count = 0;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** Null: that was all. */
  feed(bytes: Uint8Array | null): void {
    if (bytes === null) this.#ended = true;
    else {
      this.#pieces.push(bytes);
      this.#waiting += bytes.length;
    }
  }

  /** Whether fewer bytes are at hand and more may come. */
  wants(bytes: number): boolean {
    if (!this.#ended && this.#bytes.length - this.#at + this.#waiting < bytes) return true;
    if (this.#waiting > 0 && this.#bytes.length - this.#at < bytes) {
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#pieces]);
      this.#at = 0;
      this.#pieces = [];
      this.#waiting = 0;
    }
    return false;
  }

  /** After `wants`, and on a whole byte. */
  get atEnd(): boolean {
    return this.#count === 0 && this.#at === this.#bytes.length && this.#waiting === 0;
  }

  /** Of what comes next, on a whole byte. */
  byteAt(ahead: number): number | undefined {
    return this.#bytes[this.#at + ahead];
  }

  /** At most 24. */
  take(count: number): number {
    while (this.#count < count) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw this.#meter.truncated();
      this.#at++;
      this.#held = ((this.#held << 8) | byte) >>> 0;
      this.#count += 8;
    }
    this.#count -= count;
    const value = this.#held >>> this.#count;
    this.#held &= (1 << this.#count) - 1;
    return value;
  }

  /** What is left of a byte is left out. */
  align(): void {
    this.#count = 0;
    this.#held = 0;
  }
}
