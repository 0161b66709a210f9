/** Lays out a VDI: header, block map, then the blocks on 1 MiB boundaries as VirtualBox does. */
import type { BlockLayout } from "../../block-layout.ts";
import { tooLarge } from "../../image-error.ts";
import { metaRegion, tableRegion } from "../../region.ts";
import { BLOCK_BYTES, encodeHeader, HEADER_BYTES, TYPE_DYNAMIC, TYPE_FIXED } from "./layout.ts";
import type { VdiOptions } from "./options.ts";

const SECTOR = 512;
/** The data's offset is a 32-bit number and the map stands before it: a whole number of MiB below 4 GiB. */
const MAX_BLOCKS = (4095 * BLOCK_BYTES - HEADER_BYTES) / 4;

/** The size is rounded up to whole sectors. Throws `image.too-large-for-format` above about 1 PiB. */
export function layOutVdi(diskSize: number, options: VdiOptions): BlockLayout {
  const size = Math.ceil(diskSize / SECTOR) * SECTOR;
  if (size / BLOCK_BYTES > MAX_BLOCKS) throw tooLarge("VDI", diskSize, Math.floor(MAX_BLOCKS) * BLOCK_BYTES);
  const total = Math.ceil(size / BLOCK_BYTES);
  const dataAt = Math.ceil((HEADER_BYTES + total * 4) / BLOCK_BYTES) * BLOCK_BYTES;
  return {
    blockBytes: BLOCK_BYTES,
    dataAt,
    everyBlock: options.static,
    around(blocks) {
      const header = encodeHeader({
        type: options.static ? TYPE_FIXED : TYPE_DYNAMIC,
        size,
        mapOffset: HEADER_BYTES,
        dataOffset: dataAt,
        blocks: total,
        blocksAllocated: blocks.data,
      });
      const table = tableRegion({
        at: HEADER_BYTES,
        entries: total,
        entryBytes: 4,
        empty: 0xff,
        blocks,
        write: (into, pos, rank) => into.writeUInt32LE(rank, pos),
      });
      return {
        regions: [metaRegion(0, HEADER_BYTES, () => header), table],
        length: dataAt + blocks.data * BLOCK_BYTES,
      };
    },
  };
}
