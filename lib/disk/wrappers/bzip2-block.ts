/** One block of bzip2: Huffman codes, move to front, the transform of Burrows and Wheeler, runs of equal bytes. */
import type { BitsFromHigh } from "./bits-from-high.ts";
import type { Meter } from "./packing.ts";

const MOST_BITS = 20;
/** Symbols that one table is used for. */
const GROUP = 50;
const MOST_GROUPS = 6;
/** Of one piece that comes out. */
const OUT = 262_144;

export interface Block {
  /** In the upper 24 bits where the next byte is, in the lower 8 the byte. */
  readonly links: Uint32Array;
  readonly length: number;
  /** Where the first byte is. */
  readonly start: number;
}

/** `links` is used again with each block; its length is the most that the stream allows. Throws `image.*`. */
export function decodeBlock(bits: BitsFromHigh, links: Uint32Array, meter: Meter): Block {
  const wrong = (what: string): Error => meter.corrupt(`${what} of its packed content`);
  if (bits.take(1) === 1) throw wrong("a block is of a kind that bzip2 gave up in 1997: a randomised one");
  const start = bits.take(24);
  const alphabet = usedBytes(bits);
  if (alphabet.length === 0) throw wrong("a block has no bytes in a block");
  const groups = bits.take(3);
  const count = bits.take(15);
  if (groups < 2 || groups > MOST_GROUPS || count === 0) throw wrong("the tables of a block are wrong");
  const selectors = readSelectors(bits, groups, count, wrong);
  const codes = Array.from({ length: groups }, () => new Code(readLengths(bits, alphabet.length + 2, wrong), wrong));
  const counts = new Uint32Array(256);
  const length = readSymbols(bits, { links, alphabet, selectors, codes, counts }, wrong);
  if (start >= length) throw wrong("the beginning of a block lies behind its end");
  // Where the first of each byte would stand in order; then each byte tells where its follower is.
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const these = counts[byte] ?? 0;
    counts[byte] = sum;
    sum += these;
  }
  for (let i = 0; i < length; i++) {
    const byte = (links[i] ?? 0) & 0xff;
    const place = counts[byte] ?? 0;
    counts[byte] = place + 1;
    links[place] = ((links[place] ?? 0) & 0xff) | (i << 8);
  }
  return { links, length, start };
}

function usedBytes(bits: BitsFromHigh): number[] {
  const found: number[] = [];
  const sixteens = bits.take(16);
  for (let high = 0; high < 16; high++) {
    if (((sixteens >>> (15 - high)) & 1) === 0) continue;
    const these = bits.take(16);
    for (let low = 0; low < 16; low++) if (((these >>> (15 - low)) & 1) === 1) found.push(high * 16 + low);
  }
  return found;
}

type Wrong = (what: string) => Error;

function readSelectors(bits: BitsFromHigh, groups: number, count: number, wrong: Wrong): Uint8Array {
  const order = Array.from({ length: groups }, (_, i) => i);
  const selectors = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    let place = 0;
    while (bits.take(1) === 1) if (++place >= groups) throw wrong("a selector");
    const [group = 0] = order.splice(place, 1);
    order.unshift(group);
    selectors[i] = group;
  }
  return selectors;
}

function readLengths(bits: BitsFromHigh, symbols: number, wrong: Wrong): number[] {
  let length = bits.take(5);
  return Array.from({ length: symbols }, () => {
    for (;;) {
      if (length < 1 || length > MOST_BITS) throw wrong("the length of a code");
      if (bits.take(1) === 0) return length;
      length += bits.take(1) === 0 ? 1 : -1;
    }
  });
}

/** A Huffman code: codes of one length are numbers that follow one another. */
class Code {
  readonly #first: number[] = [];
  readonly #count: number[] = [];
  readonly #offset: number[] = [];
  readonly #symbols: number[] = [];
  readonly #wrong: Wrong;

  constructor(lengths: readonly number[], wrong: Wrong) {
    this.#wrong = wrong;
    let code = 0;
    for (let length = 1; length <= MOST_BITS; length++) {
      code *= 2;
      this.#first[length] = code;
      this.#offset[length] = this.#symbols.length;
      for (const [symbol, own] of lengths.entries()) if (own === length) this.#symbols.push(symbol);
      const count = this.#symbols.length - (this.#offset[length] ?? 0);
      this.#count[length] = count;
      code += count;
      if (code > 2 ** length) throw wrong("a table");
    }
  }

  read(bits: BitsFromHigh): number {
    let code = 0;
    for (let length = 1; length <= MOST_BITS; length++) {
      code = code * 2 + bits.take(1);
      const place = code - (this.#first[length] ?? 0);
      if (place < (this.#count[length] ?? 0)) return this.#symbols[(this.#offset[length] ?? 0) + place] ?? 0;
    }
    throw this.#wrong("a code");
  }
}

interface Tables {
  readonly links: Uint32Array;
  readonly alphabet: number[];
  readonly selectors: Uint8Array;
  readonly codes: readonly Code[];
  readonly counts: Uint32Array;
}

/** Fills the lower 8 bits of `links`, and `counts`; answers how many bytes there are. */
function readSymbols(bits: BitsFromHigh, tables: Tables, wrong: Wrong): number {
  const { links, selectors, codes, counts } = tables;
  const front = Uint8Array.from(tables.alphabet);
  const end = front.length + 1;
  let at = 0;
  let run = 0;
  let weight = 1;
  for (let read = 0; ; read++) {
    const code = codes[selectors[Math.floor(read / GROUP)] ?? MOST_GROUPS];
    if (code === undefined) throw wrong("the selectors end before the block");
    const symbol = code.read(bits);
    if (symbol < 2) {
      // A number in two digits that are worth 1 and 2.
      run += weight * (symbol + 1);
      weight *= 2;
      if (run > links.length) throw wrong("a run");
      continue;
    }
    if (run > 0) {
      if (at + run > links.length) throw wrong("a run");
      const byte = front[0] ?? 0;
      links.fill(byte, at, at + run);
      counts[byte] = (counts[byte] ?? 0) + run;
      at += run;
      run = 0;
      weight = 1;
    }
    if (symbol === end) return at;
    if (at >= links.length) throw wrong("the length of a block");
    const place = symbol - 1;
    const byte = front[place] ?? 0;
    front.copyWithin(1, 0, place);
    front[0] = byte;
    counts[byte] = (counts[byte] ?? 0) + 1;
    links[at++] = byte;
  }
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c1_1db7 : value << 1;
  return value >>> 0;
});

/** Yields the bytes of the block, four of a kind and a number unfolded; answers their CRC. */
export function* expanded({ links, length, start }: Block): Generator<Uint8Array, number> {
  let out = new Uint8Array(OUT);
  let at = 0;
  let crc = 0xffff_ffff;
  let link = links[start] ?? 0;
  let before = -1;
  let same = 0;
  for (let i = 0; i < length; i++) {
    link = links[link >>> 8] ?? 0;
    const byte = link & 0xff;
    let times = 1;
    if (same === 4) {
      times = byte;
      same = 0;
    } else {
      same = byte === before ? same + 1 : 1;
      before = byte;
    }
    const value = times === 1 && same > 0 ? byte : before;
    for (; times > 0; times--) {
      out[at++] = value;
      crc = (crc << 8) ^ (CRC[((crc >>> 24) ^ value) & 0xff] ?? 0);
      if (at < OUT) continue;
      yield out;
      out = new Uint8Array(OUT);
      at = 0;
    }
    if (same === 0) before = -1;
  }
  if (at > 0) yield out.subarray(0, at);
  return ~crc >>> 0;
}
