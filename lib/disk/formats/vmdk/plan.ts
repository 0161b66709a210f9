/**
 * Lays out a monolithicSparse VMDK: header, descriptor, redundant directory and tables, directory and tables, grains.
 * Source: "Virtual Disk Format 5.0", section "Hosted Sparse Extent".
 */
import { AppError } from "#lib/errors.ts";
import type { BlockLayout } from "../../block-layout.ts";
import type { GranuleRuns } from "../../granule-runs.ts";
import { tooLarge } from "../../image-error.ts";
import { metaRegion, tableRegion } from "../../region.ts";
import {
  encodeHeader,
  ENTRIES_PER_TABLE,
  FLAG_NEWLINE_TEST,
  FLAG_REDUNDANT_TABLE,
  GRAIN_BYTES,
  GRAIN_SECTORS,
  MAX_FILE_SECTORS,
  SECTOR,
} from "./layout.ts";
import { describeNew } from "./new-descriptor.ts";
import { isFlat, twoFiles } from "./flat.ts";
import type { VmdkOptions } from "./options.ts";

export const DESCRIPTOR_SECTORS = 20;
const TABLE_SECTORS = (ENTRIES_PER_TABLE * 4) / SECTOR;

/**
 * Throws `image.too-large-for-format` above 2 TiB; `image.not-plannable` for the subformat that only streams,
 * `options.two-files` for those that planFlatVmdk lays out.
 */
export function layOutVmdk(diskSize: number, options: VmdkOptions): BlockLayout {
  if (options.subformat === "streamOptimized") {
    throw new AppError(
      "internal",
      "image.not-plannable",
      "A streamOptimized VMDK has no known length: it is streamed.",
    );
  }
  if (isFlat(options)) throw twoFiles(options.subformat);
  const sectors = Math.ceil(diskSize / SECTOR);
  if (sectors > MAX_FILE_SECTORS) throw tooLarge("a sparse VMDK", diskSize, MAX_FILE_SECTORS * SECTOR);

  const tables = Math.ceil(sectors / GRAIN_SECTORS / ENTRIES_PER_TABLE);
  const directorySectors = Math.ceil((tables * 4) / SECTOR);
  const redundantAt = 1 + DESCRIPTOR_SECTORS;
  const redundantTablesAt = redundantAt + directorySectors;
  const directoryAt = redundantTablesAt + tables * TABLE_SECTORS;
  const tablesAt = directoryAt + directorySectors;
  const overhead = Math.ceil((tablesAt + tables * TABLE_SECTORS) / GRAIN_SECTORS) * GRAIN_SECTORS;

  const head = Buffer.alloc((1 + DESCRIPTOR_SECTORS) * SECTOR);
  encodeHeader({
    version: 1,
    flags: FLAG_NEWLINE_TEST + FLAG_REDUNDANT_TABLE,
    capacity: sectors,
    grainSize: GRAIN_SECTORS,
    descriptorOffset: 1,
    descriptorSize: DESCRIPTOR_SECTORS,
    entriesPerTable: ENTRIES_PER_TABLE,
    redundantOffset: redundantAt,
    directoryOffset: directoryAt,
    overhead,
    uncleanShutdown: false,
    compression: 0,
  }).copy(head);
  const descriptor = describeNew(options, sectors, `SPARSE "disk.vmdk"`);
  head.write(descriptor, SECTOR, "utf8");

  const directory = (at: number, firstTable: number) =>
    metaRegion(at * SECTOR, directorySectors * SECTOR, () => {
      const bytes = Buffer.alloc(directorySectors * SECTOR);
      for (let i = 0; i < tables; i++) bytes.writeUInt32LE(firstTable + i * TABLE_SECTORS, i * 4);
      return bytes;
    });
  const grainTables = (at: number, blocks: GranuleRuns) =>
    tableRegion({
      at: at * SECTOR,
      entries: tables * ENTRIES_PER_TABLE,
      entryBytes: 4,
      empty: 0,
      blocks,
      write: (into, pos, rank) => into.writeUInt32LE(overhead + rank * GRAIN_SECTORS, pos),
    });
  return {
    blockBytes: GRAIN_BYTES,
    dataAt: overhead * SECTOR,
    everyBlock: false,
    around(blocks) {
      const end = overhead + blocks.data * GRAIN_SECTORS;
      if (end > MAX_FILE_SECTORS) {
        throw tooLarge("a sparse VMDK", diskSize, MAX_FILE_SECTORS * SECTOR - overhead * SECTOR);
      }
      return {
        regions: [
          metaRegion(0, head.length, () => head),
          directory(redundantAt, redundantTablesAt),
          grainTables(redundantTablesAt, blocks),
          directory(directoryAt, tablesAt),
          grainTables(tablesAt, blocks),
        ],
        length: end * SECTOR,
      };
    },
  };
}
