/**
 * How a format stores a disk as blocks of one size, whichever comes first. The same layout makes a plan, where the
 * blocks follow the disk's order, and an appended file, where they follow the order of arrival.
 */
import type { BlockSource } from "./block-source.ts";
import type { GranuleRuns } from "./granule-runs.ts";
import { allBlocks, dataRegion, flatRegion, mapData, type Lead } from "./packed-data.ts";
import type { FilePlan } from "./plan.ts";
import type { Preallocation } from "./preallocation.ts";
import { planOf, type Region } from "./region.ts";

export interface BlockLayout {
  /** Bytes; a multiple of 4 KiB. */
  readonly blockBytes: number;
  /** File offset of the first stored block, its lead included. */
  readonly dataAt: number;
  /** Stands before the data of each block. */
  readonly lead?: Lead;
  /** Fixed variants: every block has its place from the beginning, and is ranked by its number. */
  readonly everyBlock: boolean;
  /** Space to be set aside first. */
  readonly preallocation?: Preallocation;
  /** The file around the blocks. Throws `image.too-large-for-format` when so many cannot be stored. */
  around(blocks: GranuleRuns): FileAround;
}

export interface FileAround {
  /** Sorted and disjoint, apart from the stored blocks. What no region and no block covers is zeros. */
  readonly regions: readonly Region[];
  /** Of the whole file. Bytes. */
  readonly length: number;
}

/** The file with its blocks in the order of the disk. One pass over the disk's extents. */
export async function planLayout(disk: BlockSource, layout: BlockLayout, signal?: AbortSignal): Promise<FilePlan> {
  const { blockBytes, dataAt, lead } = layout;
  const map = await mapData(disk, blockBytes, signal);
  const stored = layout.everyBlock ? allBlocks(map.blocks) : map.blocks;
  const { regions, length } = layout.around(stored);
  const flatEnd = Math.min(dataAt + stored.total * blockBytes, regions.find(({ at }) => at >= dataAt)?.at ?? length);
  const data = layout.everyBlock ? flatRegion(map, dataAt, flatEnd - dataAt) : dataRegion(map, dataAt, lead);
  const all = [...regions, data].filter((region) => region.length > 0);
  return planOf(
    all.sort((a, b) => a.at - b.at),
    length,
  );
}

/** File offset of the data of the block that was stored as number `rank`. */
export function blockDataAt(layout: BlockLayout, rank: number): number {
  const lead = layout.lead?.length ?? 0;
  return layout.dataAt + rank * (lead + layout.blockBytes) + lead;
}
