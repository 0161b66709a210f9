/** Encrypted or already packed content: a codec would take its full time to win nothing. */
import { deflate } from "./pack.ts";

const PARTS = 4;
const PART = 1024;
const SAMPLE = PARTS * PART;
const sample = Buffer.alloc(SAMPLE);
/** Room for a sample that shrinks by at least two percent. */
const shrunk = Buffer.alloc(Math.floor(SAMPLE * 0.98));
const counts = new Uint32Array(256);

/**
 * The byte statistics of a sample are nearly free and rule out most granules; a quick compression of the sample
 * decides. Never true for fewer bytes than four samples.
 */
export function looksIncompressible(granule: Uint8Array): boolean {
  if (granule.length < 4 * SAMPLE) return false;
  const stride = Math.floor(granule.length / PARTS);
  for (let i = 0; i < PARTS; i++) sample.set(granule.subarray(i * stride, i * stride + PART), i * PART);
  counts.fill(0);
  for (const byte of sample) counts[byte] = (counts[byte] ?? 0) + 1;
  // Sum of squares: about n²/256 + n when every byte is equally likely, far above it for text, code and tables.
  let squares = 0;
  for (const count of counts) squares += count * count;
  if (squares > (SAMPLE * SAMPLE) / 256 + 3 * SAMPLE) return false;
  return deflate(sample, shrunk, "raw", 1) === 0;
}
