/** Compresses grains, storing what does not compress. */
import { deflate, hasLibdeflate } from "../../codec/codec.ts";
import { looksIncompressible } from "../../codec/incompressible.ts";
import { isZero } from "../../zeros.ts";

/** Stored blocks and the stream's frame: more than that no grain takes. */
const ROOM = 256;

/** libdeflate's level 5 makes files as small as zlib's 6, which other programs use, in half of its time. */
export function usualLevel(): number {
  return hasLibdeflate() ? 5 : 6;
}

/** A zlib stream of the grain, or null when it is all zeros. `grain` must not change until this settles. */
export async function packGrain(grain: Buffer, level: number): Promise<Buffer | null> {
  if (isZero(grain)) return null;
  const stream = (at: number) =>
    deflate(grain, { wrapper: "zlib", level: at, windowBits: 15 }, at === 0 ? grain.length + ROOM : grain.length);
  const guess = looksIncompressible(grain);
  const hopeless = typeof guess === "boolean" ? guess : await guess;
  const packed = (hopeless ? null : await stream(level)) ?? (await stream(0));
  if (packed === null) throw new Error("a stored grain does not fit its room");
  return packed;
}
