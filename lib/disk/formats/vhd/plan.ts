/** Lays out a VHD. Dynamic: footer copy, header, table, blocks behind their bitmaps, footer. Fixed: disk, footer. */
import type { BlockSource } from "../../block-source.ts";
import { tooLarge } from "../../image-error.ts";
import { dataRegion, flatRegion, mapData } from "../../packed-data.ts";
import type { FilePlan } from "../../plan.ts";
import { metaRegion, planOf, tableRegion } from "../../region.ts";
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
export async function planVhd(disk: BlockSource, options: VhdOptions, signal?: AbortSignal): Promise<FilePlan> {
  const size = Math.ceil(disk.size / SECTOR) * SECTOR;
  if (size > MAX_DISK_BYTES) throw tooLarge("VHD", disk.size, MAX_DISK_BYTES);
  const map = await mapData(disk, BLOCK_BYTES, signal);
  if (options.subformat === "fixed") {
    const footer = encodeFooter(size, TYPE_FIXED);
    return planOf([flatRegion(map, 0, size), metaRegion(size, FOOTER_BYTES, () => footer)], size + FOOTER_BYTES);
  }

  const footer = encodeFooter(size, TYPE_DYNAMIC);
  const tableAt = FOOTER_BYTES + DYNAMIC_HEADER_BYTES;
  const entries = map.blocks.total;
  const header = encodeDynamicHeader(tableAt, entries, BLOCK_BYTES);
  // The table fills whole sectors; entries beyond the disk are unused ones.
  const tableBytes = Math.ceil((entries * 4) / SECTOR) * SECTOR;
  const dataAt = Math.ceil((tableAt + tableBytes) / ALIGN) * ALIGN;
  const lead = Buffer.alloc(ALIGN);
  lead.fill(0xff, ALIGN - SECTOR);
  const data = dataRegion(map, dataAt, { length: ALIGN, bytes: () => lead });
  const footerAt = dataAt + data.length;
  const table = tableRegion({
    at: tableAt,
    entries: tableBytes / 4,
    entryBytes: 4,
    empty: 0xff,
    blocks: map.blocks,
    write: (into, pos, rank) => into.writeUInt32BE((dataAt + rank * (ALIGN + BLOCK_BYTES) + ALIGN) / SECTOR - 1, pos),
  });
  const regions = [
    metaRegion(0, tableAt, () => Buffer.concat([footer, header])),
    table,
    data,
    metaRegion(footerAt, FOOTER_BYTES, () => footer),
  ];
  return planOf(regions, footerAt + FOOTER_BYTES);
}
