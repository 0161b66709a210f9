/** Compresses grains, storing what does not compress. */
import { deflate, hasLibdeflate } from "../../codec/codec.ts";
import { looksIncompressible } from "../../codec/incompressible.ts";
import { isZero } from "../../zeros.ts";

/** libdeflate's level 5 makes files as small as zlib's 6, which other programs use, in half of its time. */
export function usualLevel(): number {
  return hasLibdeflate() ? 5 : 6;
}

/** A zlib stream of the grain in `room`, or null when it is all zeros. Nothing may change until this settles. */
export async function packGrain(grain: Buffer, room: Buffer, level: number): Promise<Buffer | null> {
  if (isZero(grain)) return null;
  const guess = looksIncompressible(grain);
  const hopeless = typeof guess === "boolean" ? guess : await guess;
  const shorter = room.subarray(0, grain.length - 1);
  const packed = hopeless ? 0 : await deflate(grain, shorter, { wrapper: "zlib", level, windowBits: 15 });
  const length = packed === 0 ? await deflate(grain, room, { wrapper: "zlib", level: 0, windowBits: 15 }) : packed;
  return room.subarray(0, length);
}
