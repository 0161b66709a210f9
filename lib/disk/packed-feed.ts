/** Reads a disk forward and packs its granules, some ahead of the one who takes them: a bounded window, kept in order. */
import type { BlockSource } from "./block-source.ts";
import { roomFor } from "./codec/node-zlib.ts";

/** Of the disk in one read, unless one granule is larger. */
const READ_BYTES = 1024 * 1024;
/** Of the disk in memory at once, beside what is being taken: enough for the pool's threads never to wait. */
const AHEAD_BYTES = 4 * 1024 * 1024;

export interface FeedOptions<P> {
  /** Bytes. */
  readonly granule: number;
  /** Granules in one table: a run never crosses from one to the next. */
  readonly perTable: number;
  /**
   * Packs one granule, zeros after the disk's end, into `room`, where anything fits that a codec makes of it. What it
   * answers may be a part of either; both hold until the next run.
   */
  readonly pack: (bytes: Buffer, room: Buffer) => P | Promise<P>;
}

export interface PackedRun<P> {
  /** Number of the first granule. */
  readonly first: number;
  readonly granules: readonly P[];
}

interface Buffers {
  readonly read: Buffer;
  readonly packed: Buffer;
}

/** Granules that the disk's extents say hold data, in order, each once. A run is good until the next one is asked for. */
export async function* packedRuns<P>(
  disk: BlockSource,
  options: FeedOptions<P>,
  signal?: AbortSignal,
): AsyncIterable<PackedRun<P>> {
  const { granule, pack } = options;
  const perRead = Math.max(1, Math.floor(READ_BYTES / granule));
  const ahead = Math.max(1, Math.floor(AHEAD_BYTES / (perRead * granule)));
  const room = roomFor(granule);
  const window: Promise<{ run: PackedRun<P>; buffers: Buffers }>[] = [];
  const spare: Buffers[] = [];
  // One read at a time: some sources cannot seek.
  let reading: Promise<unknown> = Promise.resolve();
  try {
    for await (const { first, count } of runsOf(disk, granule, perRead, options.perTable, signal)) {
      const buffers = spare.pop() ?? {
        read: Buffer.allocUnsafeSlow(perRead * granule),
        packed: Buffer.allocUnsafeSlow(perRead * room),
      };
      const bytes = buffers.read.subarray(0, count * granule);
      const read = reading.then(() => fill(disk, first * granule, bytes, signal));
      reading = read;
      const packed = read.then(async () => {
        const granules = Array.from({ length: count }, (_, i) =>
          pack(bytes.subarray(i * granule, (i + 1) * granule), buffers.packed.subarray(i * room, (i + 1) * room)),
        );
        return { run: { first, granules: await all(granules) }, buffers };
      });
      // Its turn to be awaited comes later; until then a failure is not unheard.
      packed.catch(() => undefined);
      window.push(packed);
      const next = window.length > ahead ? await window.shift() : undefined;
      if (next !== undefined) {
        yield next.run;
        spare.push(next.buffers);
      }
    }
    for (let next = window.shift(); next !== undefined; next = window.shift()) yield (await next).run;
  } finally {
    // The disk may be closed once this returns: no read may still be under way.
    await Promise.allSettled(window);
  }
}

/** All of them, even after a failure: their bytes are used again. Small granules are packed at once, without promises. */
async function all<P>(packed: readonly (P | Promise<P>)[]): Promise<P[]> {
  const settled = await Promise.allSettled(packed.filter((one) => one instanceof Promise));
  for (const one of settled) if (one.status === "rejected") throw one.reason;
  return Promise.all(packed);
}

/** Fills `bytes`, whole granules, with zeros after the disk's end. */
async function fill(disk: BlockSource, start: number, bytes: Buffer, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const length = Math.min(bytes.length, disk.size - start);
  await disk.read(start, bytes.subarray(0, length), signal);
  bytes.fill(0, length);
}

async function* runsOf(
  disk: BlockSource,
  granule: number,
  perRead: number,
  perTable: number,
  signal?: AbortSignal,
): AsyncIterable<{ first: number; count: number }> {
  let next = 0;
  for await (const extent of disk.extents(signal)) {
    if (extent.kind === "zero") continue;
    const end = Math.ceil((extent.offset + extent.length) / granule);
    next = Math.max(next, Math.floor(extent.offset / granule));
    while (next < end) {
      const count = Math.min(perRead, end - next, perTable - (next % perTable));
      yield { first: next, count };
      next += count;
    }
  }
}
