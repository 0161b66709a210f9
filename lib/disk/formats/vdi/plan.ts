/** Lays out a VDI: header, block map, then the blocks on 1 MiB boundaries as VirtualBox does. */
import type { BlockSource } from "../../block-source.ts";
import { tooLarge } from "../../image-error.ts";
import { allBlocks, dataRegion, flatRegion, mapData } from "../../packed-data.ts";
import type { FilePlan } from "../../plan.ts";
import { metaRegion, planOf, tableRegion } from "../../region.ts";
import { BLOCK_BYTES, encodeHeader, HEADER_BYTES, TYPE_DYNAMIC, TYPE_FIXED } from "./layout.ts";
import type { VdiOptions } from "./options.ts";

const SECTOR = 512;
/** The data's offset is a 32-bit number and the map stands before it: a whole number of MiB below 4 GiB. */
const MAX_BLOCKS = (4095 * BLOCK_BYTES - HEADER_BYTES) / 4;

/** The size is rounded up to whole sectors. Throws `image.too-large-for-format` above about 1 PiB. */
export async function planVdi(disk: BlockSource, options: VdiOptions, signal?: AbortSignal): Promise<FilePlan> {
  const size = Math.ceil(disk.size / SECTOR) * SECTOR;
  if (size / BLOCK_BYTES > MAX_BLOCKS) throw tooLarge("VDI", disk.size, Math.floor(MAX_BLOCKS) * BLOCK_BYTES);
  const map = await mapData(disk, BLOCK_BYTES, signal);
  const stored = options.static ? allBlocks(map.blocks) : map.blocks;
  const dataOffset = Math.ceil((HEADER_BYTES + stored.total * 4) / BLOCK_BYTES) * BLOCK_BYTES;
  const header = encodeHeader({
    type: options.static ? TYPE_FIXED : TYPE_DYNAMIC,
    size,
    mapOffset: HEADER_BYTES,
    dataOffset,
    blocks: stored.total,
    blocksAllocated: stored.data,
  });
  const table = tableRegion({
    at: HEADER_BYTES,
    entries: stored.total,
    entryBytes: 4,
    empty: 0xff,
    blocks: stored,
    write: (into, pos, rank) => into.writeUInt32LE(rank, pos),
  });
  const data = options.static ? flatRegion(map, dataOffset, stored.total * BLOCK_BYTES) : dataRegion(map, dataOffset);
  return planOf([metaRegion(0, HEADER_BYTES, () => header), table, data], dataOffset + data.length);
}
