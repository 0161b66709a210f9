/** Compresses grains off the main thread (zlib's pool), storing what does not compress. */
import { promisify } from "node:util";
import { deflate, deflateSync } from "node:zlib";
import { GRAIN_BYTES } from "./layout.ts";

const deflateAsync = promisify(deflate);
const ZEROS = Buffer.alloc(GRAIN_BYTES);
const SAMPLE_PARTS = 4;
const SAMPLE_PART = 1024;

/** A zlib stream of the grain, or null when it is all zeros. `grain` must not change until this settles. */
export async function packGrain(grain: Buffer, level: number): Promise<Buffer | null> {
  if (grain.equals(ZEROS)) return null;
  const stored = looksIncompressible(grain);
  // Room for the whole grain: zlib's pool is asked once, not once for every 16 KiB.
  return deflateAsync(grain, { level: stored ? 0 : level, memLevel: stored ? 1 : 9, chunkSize: GRAIN_BYTES + 1024 });
}

/**
 * Encrypted or already compressed content: deflate would take its full time to win nothing. The byte statistics of
 * a sample are nearly free and rule out most grains; a quick compression of the sample decides.
 */
function looksIncompressible(grain: Buffer): boolean {
  const sample = Buffer.concat(
    Array.from({ length: SAMPLE_PARTS }, (_, i) => {
      const at = i * (GRAIN_BYTES / SAMPLE_PARTS);
      return grain.subarray(at, at + SAMPLE_PART);
    }),
  );
  const counts = new Uint32Array(256);
  for (const byte of sample) counts[byte] = (counts[byte] ?? 0) + 1;
  // Sum of squares: about n²/256 + n when every byte is equally likely, far above it for text, code and tables.
  let squares = 0;
  for (const count of counts) squares += count * count;
  if (squares > (sample.length * sample.length) / 256 + 3 * sample.length) return false;
  return deflateSync(sample, { level: 1 }).length > sample.length * 0.98;
}
