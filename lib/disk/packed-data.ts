/** The data area of a growing image: blocks that hold data, one behind another in disk order. */
import type { BlockSource } from "./block-source.ts";
import { collectRuns, everyGranule, GranuleRuns, RunJoiner } from "./granule-runs.ts";
import type { Segment } from "./plan.ts";
import type { Region } from "./region.ts";

/** Inside a block that is stored, zeros are told apart down to this many bytes. */
const FINE = 4096;

export interface DataMap {
  readonly size: number;
  /** Blocks of the target format that hold data. */
  readonly blocks: GranuleRuns;
  /** The same at 4 KiB: where inside the blocks the data is. */
  readonly fine: GranuleRuns;
}

/** One pass over the disk's extents. `blockBytes` is a multiple of 4 KiB. */
export async function mapData(disk: BlockSource, blockBytes: number, signal?: AbortSignal): Promise<DataMap> {
  const fine = await collectRuns(disk, FINE, signal);
  return { size: disk.size, fine, blocks: coarsen(fine, blockBytes, Math.ceil(disk.size / blockBytes)) };
}

/** Every block as if it held data: the tables of fixed images. */
export function allBlocks({ granule, total }: GranuleRuns): GranuleRuns {
  return everyGranule(granule, total);
}

function coarsen(fine: GranuleRuns, granule: number, total: number): GranuleRuns {
  const ratio = granule / fine.granule;
  const joiner = new RunJoiner();
  for (let i = 0; i < fine.length; i++) {
    const { start, count } = fine.run(i);
    joiner.add(Math.floor(start / ratio), Math.ceil((start + count) / ratio));
  }
  return new GranuleRuns(granule, total, joiner.finish());
}

/** What stands before each block's data (VHD: its bitmap). */
export interface Lead {
  readonly length: number;
  readonly bytes: () => Uint8Array;
}

/** Data and zeros of the disk from `diskFrom` to `diskTo`, which begin at `fileAt`; only what touches [from, to). */
function* stored(
  { fine, size }: DataMap,
  diskFrom: number,
  diskTo: number,
  fileAt: number,
  from: number,
  to: number,
): Iterable<Segment> {
  const shift = fileAt - diskFrom;
  let i = fine.runFrom(Math.floor(Math.max(diskFrom, from - shift) / FINE));
  const endOf = (run: number) => Math.min((fine.run(run).start + fine.run(run).count) * FINE, size);
  let offset = i === 0 ? diskFrom : Math.max(diskFrom, endOf(i - 1));
  while (offset < diskTo && offset + shift < to) {
    const start = i < fine.length ? Math.min(Math.max(fine.run(i).start * FINE, diskFrom), diskTo) : diskTo;
    if (start > offset) yield { at: offset + shift, length: start - offset, kind: "zero" };
    if (start === diskTo || start + shift >= to) return;
    const end = Math.min(endOf(i), diskTo);
    yield { at: start + shift, length: end - start, kind: "disk", offset: start };
    offset = end;
    i++;
  }
}

/** The disk as it is, byte for byte, then zeros up to `length`. */
export function flatRegion(map: DataMap, at: number, length: number): Region {
  return { at, length, segments: (from, to) => stored(map, 0, length, at, from, to) };
}

/** Block of rank r lies at `at + r × (lead + block)`. */
export function dataRegion(map: DataMap, at: number, lead: Lead = { length: 0, bytes: () => Buffer.alloc(0) }): Region {
  const { blocks } = map;
  const block = blocks.granule;
  const stride = lead.length + block;
  return {
    at,
    length: blocks.data * stride,
    *segments(from, to) {
      for (let i = blocks.runOfRank(Math.floor((from - at) / stride)); i < blocks.length; i++) {
        const run = blocks.run(i);
        const runAt = at + run.before * stride;
        if (runAt >= to) return;
        if (lead.length === 0) {
          yield* stored(map, run.start * block, (run.start + run.count) * block, runAt, from, to);
          continue;
        }
        for (let b = Math.max(0, Math.floor((from - runAt) / stride)); b < run.count; b++) {
          const blockAt = runAt + b * stride;
          if (blockAt >= to) return;
          if (blockAt + lead.length > from) yield { at: blockAt, length: lead.length, kind: "meta", bytes: lead.bytes };
          const disk = (run.start + b) * block;
          yield* stored(map, disk, disk + block, blockAt + lead.length, from, to);
        }
      }
    },
  };
}
