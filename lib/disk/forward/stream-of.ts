/** A disk at random access as one that passes by: for targets and callers that only know streams. */
import type { BlockSource } from "../block-source.ts";
import type { DiskStream } from "../disk-stream.ts";

const STEP = 1_048_576;

/** Forward, read one piece ahead. Disposing it disposes the disk. */
export function streamOf(disk: BlockSource): DiskStream {
  return {
    size: disk.size,
    order: "forward",
    async *pieces(signal) {
      let current = Buffer.allocUnsafe(STEP);
      let next = Buffer.allocUnsafe(STEP);
      let ahead: { offset: number; bytes: Buffer; read: Promise<void> } | null = null;
      try {
        for await (const { kind, offset: start, length } of disk.extents(signal)) {
          if (kind === "zero") continue;
          for (let offset = start, end = start + length; offset < end; ) {
            const bytes = next.subarray(0, Math.min(end - offset, STEP - (offset % STEP)));
            const read = disk.read(offset, bytes, signal);
            read.catch(() => undefined);
            const before = ahead;
            ahead = { offset, bytes, read };
            offset += bytes.length;
            if (before !== null) {
              await before.read;
              yield { offset: before.offset, bytes: before.bytes };
            }
            [current, next] = [next, current];
          }
        }
        if (ahead !== null) {
          await ahead.read;
          yield { offset: ahead.offset, bytes: ahead.bytes };
        }
      } finally {
        // Nothing may still read from the disk when this returns.
        await ahead?.read.catch(() => undefined);
      }
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}
