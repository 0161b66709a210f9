/** .bz2: streams of blocks behind one another, each checked by its CRC. Source: bzip2 1.0.8, as its decoder reads it. */
import { decodeBlock, expanded } from "./bzip2-block.ts";
import { BitsFromHigh } from "./bits-from-high.ts";
import type { Meter } from "./packing.ts";

const BLOCK = 0x3141_5926_5359;
const END = 0x1772_4538_5090;
/** A block of 900,000 symbols of 20 bits, with its tables. */
const LARGEST_BLOCK = 2_400_000;

/** Throws `image.corrupt`, `image.truncated`. */
export async function* unbzip2(input: AsyncIterable<Uint8Array>, meter: Meter): AsyncIterable<Uint8Array> {
  const bits = new BitsFromHigh(meter);
  const packed = input[Symbol.asyncIterator]();
  const need = async (bytes: number): Promise<void> => {
    while (bits.wants(bytes)) {
      const next = await packed.next();
      bits.feed(next.done === true ? null : next.value);
    }
  };
  try {
    for (let first = true; ; first = false) {
      await need(4);
      if (bits.atEnd && !first) return;
      const level = streamLevel(bits);
      if (level === null) {
        if (first) throw meter.corrupt("its packed content does not begin as bzip2 does");
        await onlyZeros(bits, need, meter);
        return;
      }
      yield* oneStream(bits, level * 100_000, need, meter);
    }
  } finally {
    await packed.return?.();
  }
}

/** `BZh1` to `BZh9`; null: no stream begins here. */
function streamLevel(bits: BitsFromHigh): number | null {
  const head = [bits.byteAt(0), bits.byteAt(1), bits.byteAt(2), bits.byteAt(3)];
  const level = (head[3] ?? 0) - 0x30;
  if (head[0] !== 0x42 || head[1] !== 0x5a || head[2] !== 0x68 || level < 1 || level > 9) return null;
  bits.take(16);
  bits.take(16);
  return level;
}

async function* oneStream(
  bits: BitsFromHigh,
  blockBytes: number,
  need: (bytes: number) => Promise<void>,
  meter: Meter,
): AsyncIterable<Uint8Array> {
  const symbols = new Uint32Array(blockBytes);
  let combined = 0;
  for (;;) {
    await need(LARGEST_BLOCK);
    const kind = bits.take(24) * 2 ** 24 + bits.take(24);
    const crc = bits.take(16) * 2 ** 16 + bits.take(16);
    if (kind === END) {
      if (crc !== combined) throw meter.corrupt("the checksum of its packed content is wrong");
      bits.align();
      return;
    }
    if (kind !== BLOCK) throw meter.corrupt("a block of its packed content does not begin as one");
    const block = decodeBlock(bits, symbols, meter);
    const found = yield* expanded(block);
    if (found !== crc) throw meter.corrupt("the checksum of a block of its packed content is wrong");
    combined = ((combined << 1) | (combined >>> 31)) >>> 0;
    combined = (combined ^ crc) >>> 0;
  }
}

/** What fills the last block of a tape is no damage. */
async function onlyZeros(bits: BitsFromHigh, need: (bytes: number) => Promise<void>, meter: Meter): Promise<void> {
  for (await need(1); !bits.atEnd; await need(1)) {
    if (bits.take(8) !== 0) throw meter.corrupt("something that is no bzip2 follows its packed content");
  }
}
