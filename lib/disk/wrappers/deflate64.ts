/**
 * Deflate64, which Windows Explorer packs large files with: deflate with a window of 64 KiB and longer matches.
 * Source: RFC 1951; PKWARE APPNOTE 6.3.10, section 4.4.5, method 9.
 */
import type { Meter } from "./packing.ts";

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 3,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 16];
/** Two codes share a number of extra bits: 1, 2, 3, 4, 5, 7, 9, 13, … 49153, 65537. */
const DISTANCE_EXTRA = Array.from({ length: 32 }, (_, code) => Math.max(0, Math.floor(code / 2) - 1));
const DISTANCE_BASE = Array.from({ length: 32 }, (_, code) =>
  code < 4 ? code + 1 : (2 + (code % 2)) * 2 ** (DISTANCE_EXTRA[code] ?? 0) + 1,
);
/** RFC 1951, 3.2.7: the order in which the lengths of the code for lengths stand. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END_OF_BLOCK = 256;
const MOST_BITS = 15;
const WINDOW = 65_536;
const LONGEST_MATCH = 65_538;
/** Of one piece that comes out, at most. */
const OUT = 262_144;
/** More than one symbol with its extra bits takes. */
const ENOUGH = 16;

/** Throws `image.corrupt`, `image.truncated`. */
export async function* inflate64(input: AsyncIterable<Uint8Array>, meter: Meter): AsyncIterable<Uint8Array> {
  const bits = new BitsFromLow(meter);
  const pieces = inflating(bits, meter);
  const packed = input[Symbol.asyncIterator]();
  try {
    for (let step = pieces.next(); step.done !== true; step = pieces.next()) {
      if (step.value !== null) {
        yield step.value;
        continue;
      }
      const next = await packed.next();
      bits.feed(next.done === true ? null : next.value);
    }
  } finally {
    await packed.return?.();
  }
}

/** Yields what comes out, and null where it needs more to go on. */
function* inflating(bits: BitsFromLow, meter: Meter): Generator<Uint8Array | null> {
  const buffer = new Uint8Array(WINDOW + OUT + LONGEST_MATCH);
  let at = 0;
  let given = 0;
  function* give(): Generator<Uint8Array> {
    if (at > given) yield Uint8Array.from(buffer.subarray(given, at));
    const kept = Math.min(at, WINDOW);
    buffer.copyWithin(0, at - kept, at);
    at = given = kept;
  }
  for (let last = false; !last; ) {
    while (bits.wants(ENOUGH)) yield null;
    last = bits.take(1) === 1;
    const kind = bits.take(2);
    if (kind === 3) throw meter.corrupt("a block of its packed content is of no known kind");
    if (kind === 0) {
      bits.align();
      while (bits.wants(ENOUGH)) yield null;
      let left = bits.take(16);
      if (bits.take(16) !== 65_535 - left) throw meter.corrupt("the length of a stored block is wrong");
      while (left > 0) {
        while (bits.wants(1)) yield null;
        const part = bits.bytes(Math.min(left, OUT));
        buffer.set(part, at);
        at += part.length;
        left -= part.length;
        if (at >= WINDOW + OUT) yield* give();
        else if (at + OUT > buffer.length) yield* give();
      }
      continue;
    }
    let codes: readonly [Decoder, Decoder];
    if (kind === 1) codes = fixedCodes();
    else {
      // The tables take 320 symbols of 22 bits at most.
      while (bits.wants(1024)) yield null;
      codes = dynamicCodes(bits, meter);
    }
    const [literals, distances] = codes;
    for (;;) {
      while (bits.wants(ENOUGH)) yield null;
      const symbol = literals.read(bits);
      if (symbol < END_OF_BLOCK) {
        buffer[at++] = symbol;
      } else if (symbol === END_OF_BLOCK) break;
      else {
        const base = LENGTH_BASE[symbol - 257];
        if (base === undefined) throw meter.corrupt("a length in its packed content is none");
        const length = base + bits.take(LENGTH_EXTRA[symbol - 257] ?? 0);
        const code = distances.read(bits);
        const distance = (DISTANCE_BASE[code] ?? 0) + bits.take(DISTANCE_EXTRA[code] ?? 0);
        if (distance > at) throw meter.corrupt("its packed content refers to what is before its beginning");
        for (let end = at + length; at < end; at++) buffer[at] = buffer[at - distance] ?? 0;
      }
      if (at >= WINDOW + OUT) yield* give();
    }
  }
  yield* give();
}

/** Bits as they come, the lowest of a byte first. Behind the end there are zeros, until more is taken than there was. */
class BitsFromLow {
  readonly #meter: Meter;
  #bytes: Uint8Array = new Uint8Array(0);
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
    else this.#bytes = this.#at === this.#bytes.length ? bytes : Buffer.concat([this.#bytes.subarray(this.#at), bytes]);
    if (bytes !== null) this.#at = 0;
  }

  /** Whether fewer bytes are at hand and more may come. */
  wants(bytes: number): boolean {
    return !this.#ended && this.#bytes.length - this.#at < bytes;
  }

  #fill(count: number): void {
    while (this.#count < count) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw this.#meter.truncated();
      this.#at++;
      this.#held += byte * 2 ** this.#count;
      this.#count += 8;
    }
  }

  /** At most 16. */
  take(count: number): number {
    this.#fill(count);
    const power = 2 ** count;
    const value = this.#held % power;
    this.#held = (this.#held - value) / power;
    this.#count -= count;
    return value;
  }

  /** One bit after the other is asked for, so that nothing behind the end is needed. */
  peek(most: number): number {
    while (this.#count < most && this.#at < this.#bytes.length) this.#fill(this.#count + 1);
    return this.#held % 2 ** most;
  }

  drop(count: number): void {
    if (count > this.#count) throw this.#meter.truncated();
    this.#held = Math.floor(this.#held / 2 ** count);
    this.#count -= count;
  }

  align(): void {
    this.take(this.#count % 8);
  }

  /** Whole bytes, after `align`: as many of `most` as are at hand, at least one. */
  bytes(most: number): Uint8Array {
    if (this.#count > 0) return Uint8Array.of(this.take(8));
    if (this.#at === this.#bytes.length) throw this.#meter.truncated();
    const part = this.#bytes.subarray(this.#at, this.#at + most);
    this.#at += part.length;
    return part;
  }

  corrupt(what: string): Error {
    return this.#meter.corrupt(what);
  }
}

/** A Huffman code, looked up by the next 15 bits. */
class Decoder {
  /** Symbol times 16, and the length of its code; 0: no code begins so. */
  readonly #table = new Uint16Array(2 ** MOST_BITS);

  constructor(lengths: readonly number[], wrong: (what: string) => Error) {
    const counts = new Array<number>(MOST_BITS + 1).fill(0);
    for (const length of lengths) if (length > 0) counts[length] = (counts[length] ?? 0) + 1;
    let code = 0;
    let room = 2 ** MOST_BITS;
    const next = [0];
    for (let length = 1; length <= MOST_BITS; length++) {
      code = (code + (counts[length - 1] ?? 0)) * 2;
      next[length] = code;
      room -= (counts[length] ?? 0) * 2 ** (MOST_BITS - length);
    }
    if (room < 0) throw wrong("a table of its packed content has too many codes");
    for (const [symbol, length] of lengths.entries()) {
      if (length === 0) continue;
      const mine = next[length] ?? 0;
      next[length] = mine + 1;
      for (let at = reversed(mine, length); at < this.#table.length; at += 2 ** length)
        this.#table[at] = symbol * 16 + length;
    }
  }

  read(bits: BitsFromLow): number {
    const found = this.#table[bits.peek(MOST_BITS)] ?? 0;
    const length = found % 16;
    if (length === 0) throw bits.corrupt("its packed content has a code that its table lacks");
    bits.drop(length);
    return (found - length) / 16;
  }
}

function reversed(code: number, length: number): number {
  let value = 0;
  for (let i = 0, rest = code; i < length; i++, rest = Math.floor(rest / 2)) value = value * 2 + (rest % 2);
  return value;
}

let fixed: readonly [Decoder, Decoder] | null = null;

/** RFC 1951, 3.2.6. */
function fixedCodes(): readonly [Decoder, Decoder] {
  const never = (what: string): Error => new RangeError(what);
  fixed ??= [
    new Decoder(
      Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
      never,
    ),
    new Decoder(new Array<number>(32).fill(5), never),
  ];
  return fixed;
}

/** RFC 1951, 3.2.7. */
function dynamicCodes(bits: BitsFromLow, meter: Meter): readonly [Decoder, Decoder] {
  const wrong = (what: string): Error => meter.corrupt(what);
  const literals = bits.take(5) + 257;
  const distances = bits.take(5) + 1;
  const given = bits.take(4) + 4;
  const first = new Array<number>(19).fill(0);
  for (const place of ORDER.slice(0, given)) first[place] = bits.take(3);
  const code = new Decoder(first, wrong);
  const lengths: number[] = [];
  while (lengths.length < literals + distances) {
    const symbol = code.read(bits);
    if (symbol < 16) {
      lengths.push(symbol);
      continue;
    }
    const before = lengths.at(-1);
    if (symbol === 16 && before === undefined) throw wrong("a table of its packed content repeats nothing");
    const times = symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7);
    for (let i = 0; i < times; i++) lengths.push(symbol === 16 ? (before ?? 0) : 0);
  }
  if (lengths.length > literals + distances) throw wrong("a table of its packed content is too long");
  if ((lengths[END_OF_BLOCK] ?? 0) === 0) throw wrong("a block of its packed content has no end");
  return [new Decoder(lengths.slice(0, literals), wrong), new Decoder(lengths.slice(literals), wrong)];
}
