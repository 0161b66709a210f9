/** Lays out a VHD. Dynamic: footer copy, header, table, blocks behind their bitmaps, footer. Fixed: disk, footer. */
import type { BlockLayout } from "../../block-layout.ts";
import { tooLarge } from "../../image-error.ts";
import { metaRegion, tableRegion } from "../../region.ts";
import {
  DYNAMIC_HEADER_BYTES,
  encodeDynamicHeader,
  encodeFooter,
  FOOTER_BYTES,
  MAX_DISK_BYTES,
  SECTOR,
  TYPE_DYNAMIC,
  TYPE_FIXED,
} from "./layout.ts";
import type { VhdOptions } from "./options.ts";

const BLOCK_BYTES = 2_097_152;
/** Data on 4 KiB boundaries, so that a page of the guest is a page of the host: the bitmap stands right before. */
const ALIGN = 4096;

/** The size is rounded up to whole sectors and kept exactly. Throws `image.too-large-for-format` above 2,040 GiB. */
export function layOutVhd(diskSize: number, options: VhdOptions): BlockLayout {
  const size = Math.ceil(diskSize / SECTOR) * SECTOR;
  if (size > MAX_DISK_BYTES) throw tooLarge("VHD", diskSize, MAX_DISK_BYTES);
  return options.subformat === "fixed" ? fixed(size) : dynamic(size);
}

function fixed(size: number): BlockLayout {
  const footer = encodeFooter(size, TYPE_FIXED);
  return {
    blockBytes: BLOCK_BYTES,
    dataAt: 0,
    everyBlock: true,
    around: () => ({ regions: [metaRegion(size, FOOTER_BYTES, () => footer)], length: size + FOOTER_BYTES }),
  };
}

function dynamic(size: number): BlockLayout {
  const footer = encodeFooter(size, TYPE_DYNAMIC);
  const tableAt = FOOTER_BYTES + DYNAMIC_HEADER_BYTES;
  const entries = Math.ceil(size / BLOCK_BYTES);
  const header = encodeDynamicHeader(tableAt, entries, BLOCK_BYTES);
  // The table fills whole sectors; entries beyond the disk are unused ones.
  const tableBytes = Math.ceil((entries * 4) / SECTOR) * SECTOR;
  const dataAt = Math.ceil((tableAt + tableBytes) / ALIGN) * ALIGN;
  const lead = Buffer.alloc(ALIGN);
  lead.fill(0xff, ALIGN - SECTOR);
  return {
    blockBytes: BLOCK_BYTES,
    dataAt,
    lead: { length: ALIGN, bytes: () => lead },
    everyBlock: false,
    around(blocks) {
      const footerAt = dataAt + blocks.data * (ALIGN + BLOCK_BYTES);
      const table = tableRegion({
        at: tableAt,
        entries: tableBytes / 4,
        entryBytes: 4,
        empty: 0xff,
        blocks,
        write: (into, pos, rank) =>
          into.writeUInt32BE((dataAt + rank * (ALIGN + BLOCK_BYTES) + ALIGN) / SECTOR - 1, pos),
      });
      return {
        regions: [
          metaRegion(0, tableAt, () => Buffer.concat([footer, header])),
          table,
          metaRegion(footerAt, FOOTER_BYTES, () => footer),
        ],
        length: footerAt + FOOTER_BYTES,
      };
    },
  };
}
