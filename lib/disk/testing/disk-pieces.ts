/** Disks that pass by once, made of bytes in memory, for tests. */
import type { DiskPiece, DiskStream } from "../disk-stream.ts";
import { isZero } from "../zeros.ts";
import { seeded } from "./hostile.ts";

/** In pieces of at most `piece` bytes, zeros left out; shuffled by the seed when it is unordered. */
export function piecesOf(
  bytes: Uint8Array,
  order: DiskStream["order"],
  { piece = 65_536, seed = 1 }: { piece?: number; seed?: number } = {},
): DiskStream {
  const all: DiskPiece[] = [];
  for (let offset = 0; offset < bytes.length; offset += piece) {
    const part = bytes.subarray(offset, offset + piece);
    if (!isZero(part)) all.push({ offset, bytes: part });
  }
  if (order === "unordered") {
    const random = seeded(seed);
    for (let i = all.length - 1; i > 0; i--) {
      const j = random(i + 1);
      const [a, b] = [all[i], all[j]];
      if (a !== undefined && b !== undefined) [all[i], all[j]] = [b, a];
    }
  }
  return {
    size: bytes.length,
    order,
    async *pieces(signal) {
      // One buffer for all: whoever keeps a piece without copying it sees the next one.
      const buffer = Buffer.alloc(piece);
      for (const { offset, bytes: part } of all) {
        signal?.throwIfAborted();
        buffer.fill(0xee);
        buffer.set(part);
        yield { offset, bytes: buffer.subarray(0, part.length) };
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
