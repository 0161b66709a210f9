/** Images that were damaged on purpose: what they end in, for tests. */
import { AppError } from "#lib/errors.ts";
import { checkedPieces } from "../checked-stream.ts";
import { openForwardBytes } from "../forward/open-forward.ts";
import { openDisk } from "../open-disk.ts";
import { bytesOf } from "../wrappers/bytes-of.ts";
import { openPacked } from "../wrappers/open-packed.ts";
import { PACKING_HEAD, packingOf } from "../wrappers/packing.ts";
import { memoryBytes, memoryImage } from "./memory.ts";

/** Mutants ask for up to 64 TiB of zeros: extents are walked whole, but only so much is read. */
const READ_BYTES = 8 * 1_048_576;

/** These speak of the file as a whole. */
const NO_OFFSET = new Set([
  "image.unknown-format",
  "image.ambiguous-format",
  "image.disk-unsaid",
  "image.sibling-missing",
  "image.path-escapes",
]);

export interface Surroundings {
  /** What lies in the same folder. */
  readonly beside?: ReadonlyMap<string, Uint8Array>;
  /** The file that is opened, where that is not the one of `bytes`. */
  readonly opens?: string;
}

/**
 * Opens the bytes by content, walks the extents and reads data at both ends of each. Answers the error's code, or
 * `read`. Throws whatever is not an AppError of the family `image.*` with a byte offset: a crash.
 */
export async function outcome(name: string, bytes: Uint8Array, { beside, opens }: Surroundings = {}): Promise<string> {
  try {
    if (name.startsWith(PIPED)) return await readPiped(name, bytes);
    const all = new Map([...(beside ?? []), [name, bytes]]);
    const first = opens ?? name;
    await using opened = await openDisk(memoryImage(first, memoryBytes(all.get(first) ?? bytes), all));
    let budget = READ_BYTES;
    for await (const extent of opened.disk.extents()) {
      if (extent.kind === "zero" || budget <= 0) continue;
      const length = Math.min(extent.length, 300_000);
      await opened.disk.read(extent.offset, Buffer.alloc(length));
      await opened.disk.read(extent.offset + extent.length - length, Buffer.alloc(length));
      budget -= length;
    }
    return "read";
  } catch (error) {
    if (!(error instanceof AppError) || !/^(image|stream)\./.test(error.code) || error.kind !== "unprocessable")
      throw error;
    if (!NO_OFFSET.has(error.code) && typeof error.details?.offset !== "number")
      throw new Error(`${error.code} tells no offset`, { cause: error });
    return error.code;
  }
}

/** Names of specimens that pass by once, packed or not. */
export const PIPED = "piped-";

async function readPiped(name: string, bytes: Uint8Array): Promise<string> {
  const image = memoryImage(name, memoryBytes(bytes));
  const packing = packingOf(bytes.subarray(0, PACKING_HEAD));
  await using stream =
    packing === null
      ? await openForwardBytes(null, bytesOf(image, 0, bytes.length), { name })
      : await openPacked(image, packing, {});
  let budget = READ_BYTES;
  for await (const piece of checkedPieces(stream)) {
    budget -= piece.bytes.length;
    if (budget <= 0) break;
  }
  return "read";
}

/** A stream of numbers in [0, n) that is the same on every run. */
export function seeded(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

const NASTY = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/**
 * `count` damaged copies: fields set to nasty numbers, bits flipped, pieces copied elsewhere, the end cut.
 * Damage falls on the given [offset, length] ranges, where headers and tables are. `mend` puts checksums right again.
 */
export function* mutants(
  sound: Buffer,
  ranges: readonly (readonly [number, number])[],
  seed: number,
  count: number,
  mend: (image: Buffer) => void = () => undefined,
): Iterable<Buffer> {
  const random = seeded(seed);
  const place = () => {
    const [offset, length] = ranges[random(ranges.length)] ?? [0, sound.length];
    return Math.min(offset + random(length), sound.length - 8);
  };
  for (let i = 0; i < count; i++) {
    let image = Buffer.from(sound);
    for (let hits = 1 + random(3); hits > 0; hits--) {
      const at = place();
      const value = NASTY[random(NASTY.length)] ?? 0;
      switch (random(6)) {
        case 0:
          image.writeUInt32LE(value, at - (at % 4));
          break;
        case 1:
          image.writeUInt32BE(value, at - (at % 4));
          break;
        case 2:
          image.writeBigUInt64LE(BigInt(value) * 2n ** BigInt(random(32)), at - (at % 8));
          break;
        case 3:
          image.writeUInt8(random(256), at);
          break;
        case 4:
          image.copy(image, at, place(), place());
          break;
        default:
          image.writeUInt8((image[at] ?? 0) ^ (2 ** random(8)), at);
      }
    }
    mend(image);
    if (random(5) === 0) image = image.subarray(0, random(image.length));
    yield image;
  }
}
