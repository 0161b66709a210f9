/** Parts of a planned file, and the plan made of them. */
import type { GranuleRuns } from "./granule-runs.ts";
import type { FilePlan, Segment } from "./plan.ts";

/** A stretch of the target file that knows its own segments. Bytes. */
export interface Region {
  readonly at: number;
  readonly length: number;
  /** Segments that touch [from, to), a range inside the region; the same segments whoever asks. */
  segments(from: number, to: number): Iterable<Segment>;
}

/** `regions` are sorted and disjoint; what lies between and after them is zeros. */
export function planOf(regions: readonly Region[], length: number): FilePlan {
  return {
    length,
    *segments(from = 0, to = length): Iterable<Segment> {
      const end = Math.min(to, length);
      let at = 0;
      for (const region of regions) {
        if (at >= end) return;
        if (region.at > at && region.at > from) yield { at, length: region.at - at, kind: "zero" };
        at = region.at + region.length;
        const first = Math.max(from, region.at);
        const last = Math.min(end, at);
        if (first < last) yield* region.segments(first, last);
      }
      if (at < end && length > from) yield { at, length: length - at, kind: "zero" };
    },
  };
}

/** Bytes made when they are asked for; `bytes()` answers exactly `length` of them. */
export function metaRegion(at: number, length: number, bytes: () => Uint8Array): Region {
  return {
    at,
    length,
    *segments() {
      yield { at, length, kind: "meta", bytes };
    },
  };
}

export interface TableShape {
  readonly at: number;
  /** Entries of the table; a multiple of nothing in particular. */
  readonly entries: number;
  readonly entryBytes: 4 | 8;
  /** Bytes that fill the entry of a block without data. 0: such stretches become zero segments. */
  readonly empty: 0 | 0xff;
  /** Which blocks have data, and their rank among those that have. */
  readonly blocks: GranuleRuns;
  /** Writes the entry of a block with data. */
  readonly write: (into: Buffer, pos: number, rank: number, index: number) => void;
  /** Entries between table entries that are not blocks' own (VHDX): maps a block to its entry. Default: the same. */
  readonly entryOf?: (block: number) => number;
  /** The way back: the first block whose entry is at or after this entry. */
  readonly blockAt?: (entry: number) => number;
}

const CHUNK_BYTES = 65_536;

/** A block allocation table, made piece by piece: that of a 64 TB disk never stands in memory. */
export function tableRegion(shape: TableShape): Region {
  const { at, entries, entryBytes, empty, blocks, write } = shape;
  const entryOf = shape.entryOf ?? ((block: number) => block);
  const blockAt = shape.blockAt ?? ((entry: number) => entry);
  const perChunk = CHUNK_BYTES / entryBytes;
  const chunks = Math.ceil(entries / perChunk);
  const startOf = (chunk: number) => at + Math.min(chunk * perChunk, entries) * entryBytes;

  let unused: Buffer | null = null;
  const make = (chunk: number) => {
    const first = chunk * perChunk;
    const endBlock = Math.min(blockAt(Math.min(first + perChunk, entries)), blocks.total);
    const firstBlock = blockAt(first);
    const firstRun = blocks.runFrom(firstBlock);
    // Most chunks of a large sparse disk are like this one.
    if (firstRun === blocks.length || blocks.run(firstRun).start >= endBlock) {
      unused ??= Buffer.alloc(CHUNK_BYTES, empty);
      return unused.subarray(0, startOf(chunk + 1) - startOf(chunk));
    }
    const bytes = Buffer.alloc(startOf(chunk + 1) - startOf(chunk), empty);
    for (let i = firstRun; i < blocks.length; i++) {
      const run = blocks.run(i);
      if (run.start >= endBlock) break;
      const end = Math.min(run.start + run.count, endBlock);
      for (let b = Math.max(run.start, firstBlock); b < end; b++) {
        write(bytes, (entryOf(b) - first) * entryBytes, run.before + b - run.start, b);
      }
    }
    return bytes;
  };
  /** First chunk at or after this one that has an entry to write; `chunks` when none. */
  const nextUsed = (chunk: number) => {
    if (empty !== 0) return chunk;
    const first = blockAt(chunk * perChunk);
    const i = blocks.runFrom(first);
    if (i === blocks.length) return chunks;
    return Math.floor(entryOf(Math.max(blocks.run(i).start, first)) / perChunk);
  };
  /** First chunk of the unused stretch that `chunk`, itself unused, lies in. */
  const gapStart = (chunk: number) => {
    const i = blocks.runFrom(blockAt(chunk * perChunk)) - 1;
    if (i < 0) return 0;
    const run = blocks.run(i);
    return Math.floor(entryOf(run.start + run.count - 1) / perChunk) + 1;
  };

  return {
    at,
    length: entries * entryBytes,
    *segments(from, to) {
      let chunk = Math.floor((from - at) / CHUNK_BYTES);
      while (chunk < chunks && startOf(chunk) < to) {
        const used = Math.min(nextUsed(chunk), chunks);
        if (used > chunk) {
          const start = startOf(gapStart(chunk));
          yield { at: start, length: startOf(used) - start, kind: "zero" };
          chunk = used;
          continue;
        }
        const mine = chunk;
        yield { at: startOf(mine), length: startOf(mine + 1) - startOf(mine), kind: "meta", bytes: () => make(mine) };
        chunk++;
      }
    },
  };
}
