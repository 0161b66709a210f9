/** Lays out a VHDX: headers, an empty log, metadata, block table, payload blocks on whole MiB. */
import { randomUUID } from "node:crypto";
import type { BlockLayout } from "../../block-layout.ts";
import { tooLarge } from "../../image-error.ts";
import { metaRegion, tableRegion } from "../../region.ts";
import {
  BLOCK_FULLY_PRESENT,
  chunkRatio,
  encodeGuid,
  FILE_SIGNATURE,
  HEADER_BYTES,
  HEADERS_AT,
  ITEM_DISK_ID,
  ITEM_DISK_SIZE,
  ITEM_FILE_PARAMETERS,
  ITEM_IS_DISK,
  ITEM_IS_REQUIRED,
  ITEM_LOGICAL_SECTOR,
  ITEM_PHYSICAL_SECTOR,
  MAX_DISK_BYTES,
  METADATA_TABLE_BYTES,
  MIB,
  PARAM_LEAVE_ALLOCATED,
  REGION_BAT,
  REGION_METADATA,
  REGION_TABLE_BYTES,
  REGION_TABLES_AT,
  seal,
  tableEntries,
} from "./layout.ts";
import type { VhdxOptions } from "./options.ts";

const LOG_AT = MIB;
const LOG_BYTES = MIB;
const METADATA_AT = LOG_AT + LOG_BYTES;
const METADATA_BYTES = MIB;
const TABLE_AT = METADATA_AT + METADATA_BYTES;
const PHYSICAL_SECTOR = 4096;

/** The size is rounded up to whole logical sectors. Throws `image.too-large-for-format` above 64 TiB. */
export function layOutVhdx(diskSize: number, options: VhdxOptions): BlockLayout {
  const sectorBytes = options.logical_sector_size;
  const size = Math.ceil(diskSize / sectorBytes) * sectorBytes;
  if (size > MAX_DISK_BYTES) throw tooLarge("VHDX", diskSize, MAX_DISK_BYTES);
  const fixed = options.subformat === "fixed";
  const blockBytes = options.block_size === 0 ? usualBlockBytes(size) : options.block_size;
  const ratio = chunkRatio(blockBytes, sectorBytes);
  const entries = tableEntries(Math.ceil(size / blockBytes), ratio);
  const tableBytes = Math.max(1, Math.ceil((entries * 8) / MIB)) * MIB;
  const dataAt = TABLE_AT + tableBytes;
  return {
    blockBytes,
    dataAt,
    everyBlock: fixed,
    around(blocks) {
      const headers = encodeHeaders(tableBytes);
      const metadata = encodeMetadata(size, blockBytes, fixed, sectorBytes);
      const table = tableRegion({
        at: TABLE_AT,
        entries,
        entryBytes: 8,
        empty: 0,
        blocks,
        entryOf: (block) => block + Math.floor(block / ratio),
        // The bitmap's entry after a chunk stands before the next chunk's first block.
        blockAt: (entry) => Math.floor(entry / (ratio + 1)) * ratio + (entry % (ratio + 1)),
        write: (into, pos, rank) => {
          const mib = (dataAt + rank * blockBytes) / MIB;
          into.writeUInt32LE((mib % 4096) * MIB + BLOCK_FULLY_PRESENT, pos);
          into.writeUInt32LE(Math.floor(mib / 4096), pos + 4);
        },
      });
      return {
        regions: [
          metaRegion(0, headers.length, () => headers),
          metaRegion(METADATA_AT, metadata.length, () => metadata),
          table,
        ],
        length: dataAt + blocks.data * blockBytes,
      };
    },
  };
}

/** Small blocks keep the file near the size of its data; the table of the largest disks then still has 16 MiB. */
function usualBlockBytes(size: number): number {
  return size <= 2 ** 40 ? 2 * MIB : 32 * MIB;
}

/** File identifier, two headers, two region tables: [MS-VHDX] 2.2. */
function encodeHeaders(tableBytes: number): Buffer {
  const b = Buffer.alloc(REGION_TABLES_AT[1] + REGION_TABLE_BYTES);
  b.write(FILE_SIGNATURE, 0, "latin1");
  b.write("Supravisor", 8, "utf16le");
  const fileGuid = encodeGuid(randomUUID());
  const dataGuid = encodeGuid(randomUUID());
  for (const [i, at] of HEADERS_AT.entries()) {
    const h = Buffer.alloc(HEADER_BYTES);
    h.write("head", 0, "latin1");
    h.writeBigUInt64LE(BigInt(i + 1), 8);
    fileGuid.copy(h, 16);
    dataGuid.copy(h, 32);
    // The log's GUID stays zero: there is nothing to apply.
    h.writeUInt16LE(1, 66);
    h.writeUInt32LE(LOG_BYTES, 68);
    h.writeBigUInt64LE(BigInt(LOG_AT), 72);
    seal(h).copy(b, at);
  }
  const regions = Buffer.alloc(REGION_TABLE_BYTES);
  regions.write("regi", 0, "latin1");
  regions.writeUInt32LE(2, 8);
  for (const [i, [guid, at, length]] of (
    [
      [REGION_BAT, TABLE_AT, tableBytes],
      [REGION_METADATA, METADATA_AT, METADATA_BYTES],
    ] as const
  ).entries()) {
    const pos = 16 + i * 32;
    encodeGuid(guid).copy(regions, pos);
    regions.writeBigUInt64LE(BigInt(at), pos + 16);
    regions.writeUInt32LE(length, pos + 24);
    // Required: VirtualBox refuses a file whose block table is not marked so.
    regions.writeUInt32LE(1, pos + 28);
  }
  seal(regions);
  for (const at of REGION_TABLES_AT) regions.copy(b, at);
  return b;
}

/** Metadata table and its items right behind it: [MS-VHDX] 2.6. */
function encodeMetadata(size: number, blockBytes: number, fixed: boolean, sectorBytes: number): Buffer {
  const u32 = (...values: readonly number[]) => {
    const b = Buffer.alloc(values.length * 4);
    values.forEach((value, i) => b.writeUInt32LE(value, i * 4));
    return b;
  };
  const diskSize = Buffer.alloc(8);
  diskSize.writeBigUInt64LE(BigInt(size));
  const items: readonly (readonly [string, number, Buffer])[] = [
    [ITEM_FILE_PARAMETERS, ITEM_IS_REQUIRED, u32(blockBytes, fixed ? PARAM_LEAVE_ALLOCATED : 0)],
    [ITEM_DISK_SIZE, ITEM_IS_DISK + ITEM_IS_REQUIRED, diskSize],
    [ITEM_DISK_ID, ITEM_IS_DISK + ITEM_IS_REQUIRED, encodeGuid(randomUUID())],
    [ITEM_LOGICAL_SECTOR, ITEM_IS_DISK + ITEM_IS_REQUIRED, u32(sectorBytes)],
    [ITEM_PHYSICAL_SECTOR, ITEM_IS_DISK + ITEM_IS_REQUIRED, u32(PHYSICAL_SECTOR)],
  ];
  const b = Buffer.alloc(METADATA_TABLE_BYTES + HEADER_BYTES);
  b.write("metadata", 0, "latin1");
  b.writeUInt16LE(items.length, 10);
  let at = METADATA_TABLE_BYTES;
  for (const [i, [guid, flags, bytes]] of items.entries()) {
    const pos = 32 + i * 32;
    encodeGuid(guid).copy(b, pos);
    b.writeUInt32LE(at, pos + 16);
    b.writeUInt32LE(bytes.length, pos + 20);
    b.writeUInt32LE(flags, pos + 24);
    bytes.copy(b, at);
    at += bytes.length;
  }
  return b;
}
