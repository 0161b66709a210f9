/** Reads a disk forward and packs its grains, some ahead of the one who takes them: a bounded window, kept in order. */
import type { BlockSource } from "../../block-source.ts";
import { ENTRIES_PER_TABLE, GRAIN_BYTES } from "./layout.ts";
import { packGrain } from "./pack-grain.ts";

/** 1 MiB a read. */
const GRAINS_PER_READ = 16;
/** Reads being packed at once: 4 MiB of the disk in memory, enough for the pool's threads never to wait. */
const READS_AHEAD = 4;

export interface PackedRun {
  /** Number of the first grain. A run never crosses a grain table. */
  readonly first: number;
  /** Packed grains, null for zeros. */
  readonly grains: readonly (Buffer | null)[];
}

export async function* packedGrains(disk: BlockSource, level: number, signal?: AbortSignal): AsyncIterable<PackedRun> {
  const window: Promise<PackedRun>[] = [];
  const spare: Buffer[] = [];
  // One read at a time: some sources cannot seek.
  let reading: Promise<unknown> = Promise.resolve();
  try {
    for await (const { first, count } of grainRuns(disk, signal)) {
      const buffer = spare.pop() ?? Buffer.allocUnsafe(GRAINS_PER_READ * GRAIN_BYTES);
      const read = reading.then(() => readGrains(disk, first, buffer.subarray(0, count * GRAIN_BYTES), signal));
      reading = read;
      const packed = read.then(async (bytes) => {
        const grains = await Promise.all(
          Array.from({ length: count }, (_, i) =>
            packGrain(bytes.subarray(i * GRAIN_BYTES, (i + 1) * GRAIN_BYTES), level),
          ),
        );
        spare.push(buffer);
        return { first, grains };
      });
      // Its turn to be awaited comes later; until then a failure is not unheard.
      packed.catch(() => undefined);
      window.push(packed);
      const next = window.length > READS_AHEAD ? window.shift() : undefined;
      if (next !== undefined) yield await next;
    }
    for (let next = window.shift(); next !== undefined; next = window.shift()) yield await next;
  } finally {
    // The disk may be closed once this returns: no read may still be under way.
    await Promise.allSettled(window);
  }
}

/** Fills `bytes`, whole grains, with zeros after the disk's end. */
async function readGrains(disk: BlockSource, first: number, bytes: Buffer, signal?: AbortSignal): Promise<Buffer> {
  signal?.throwIfAborted();
  const start = first * GRAIN_BYTES;
  const length = Math.min(bytes.length, disk.size - start);
  await disk.read(start, bytes.subarray(0, length), signal);
  bytes.fill(0, length);
  return bytes;
}

/** Grains that hold data, in order, each once. */
async function* grainRuns(disk: BlockSource, signal?: AbortSignal): AsyncIterable<{ first: number; count: number }> {
  let next = 0;
  for await (const extent of disk.extents(signal)) {
    if (extent.kind === "zero") continue;
    const end = Math.ceil((extent.offset + extent.length) / GRAIN_BYTES);
    next = Math.max(next, Math.floor(extent.offset / GRAIN_BYTES));
    while (next < end) {
      const untilTable = ENTRIES_PER_TABLE - (next % ENTRIES_PER_TABLE);
      const count = Math.min(GRAINS_PER_READ, end - next, untilTable);
      yield { first: next, count };
      next += count;
    }
  }
}
