/**
 * VHDX on disk. Source: [MS-VHDX] Virtual Hard Disk v2 File Format, sections 2.1 to 2.6. Little-endian.
 */
import { crc32c } from "./crc32c.ts";

export const KIB = 1024;
export const MIB = 1_048_576;
export const FILE_SIGNATURE = "vhdxfile";
/** 2.2.2: two copies, the sound one with the higher sequence number counts. */
export const HEADERS_AT = [64 * KIB, 128 * KIB] as const;
export const HEADER_BYTES = 4096;
/** 2.2.3. */
export const REGION_TABLES_AT = [192 * KIB, 256 * KIB] as const;
export const REGION_TABLE_BYTES = 64 * KIB;
export const MAX_TABLE_ENTRIES = 2047;
export const METADATA_TABLE_BYTES = 64 * KIB;
/** 2.6.2.2: 64 TB. */
export const MAX_DISK_BYTES = 64 * 2 ** 40;
export const MIN_BLOCK_BYTES = 1024 * KIB;
export const MAX_BLOCK_BYTES = 256 * MIB;
/** 2.5: one sector bitmap entry follows every 2^23 sectors' worth of payload entries. */
export const CHUNK_SECTORS = 2 ** 23;

/** 2.5.1.1: payload block states, the low three bits of an entry. */
/** The parent's, where there is one. */
export const BLOCK_NOT_PRESENT = 0;
/** 1 undefined, 2 zero, 3 unmapped: all read as zeros, whatever a parent has. */
export const BLOCK_UNMAPPED = 3;
export const BLOCK_FULLY_PRESENT = 6;
export const BLOCK_PARTIALLY_PRESENT = 7;
/** 2.5.1.2: the sector bitmap block of a chunk is there. */
export const BITMAP_PRESENT = 6;

export const REGION_BAT = "2dc27766-f623-4200-9d64-115e9bfd4a08";
export const REGION_METADATA = "8b7ca206-4790-4b9a-b8fe-575f050f886e";

export const ITEM_FILE_PARAMETERS = "caa16737-fa36-4d43-b3b6-33f0aa44e76b";
export const ITEM_DISK_SIZE = "2fa54224-cd1b-4876-b211-5dbed83bf4b8";
export const ITEM_DISK_ID = "beca12ab-b2e6-4523-93ef-c309e000c746";
export const ITEM_LOGICAL_SECTOR = "8141bf1d-a96f-4709-ba47-f233a8faab5f";
export const ITEM_PHYSICAL_SECTOR = "cda348c7-445d-4471-9cc9-e9885251c556";
export const ITEM_PARENT_LOCATOR = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c";

/** Metadata entry flags, 2.6.1.2. */
export const ITEM_IS_DISK = 2;
export const ITEM_IS_REQUIRED = 4;

/** File parameters flags, 2.6.2.1. */
export const PARAM_LEAVE_ALLOCATED = 1;
export const PARAM_HAS_PARENT = 2;

/** 16 bytes as text; the first three groups are little-endian. */
export function guidAt(b: Buffer, at: number): string {
  const hex = (from: number, to: number) => b.toString("hex", at + from, at + to);
  const turned = (from: number, to: number) =>
    Buffer.from(b.subarray(at + from, at + to))
      .reverse()
      .toString("hex");
  return `${turned(0, 4)}-${turned(4, 6)}-${turned(6, 8)}-${hex(8, 10)}-${hex(10, 16)}`;
}

export function encodeGuid(text: string): Buffer {
  const b = Buffer.from(text.replaceAll("-", ""), "hex");
  b.subarray(0, 4).reverse();
  b.subarray(4, 6).reverse();
  b.subarray(6, 8).reverse();
  return b;
}

/** Headers, region tables and log entries have their checksum at byte 4. */
const CHECKSUM_AT = 4;

export function isSound(b: Buffer, signature: string): boolean {
  return b.toString("latin1", 0, 4) === signature && b.readUInt32LE(CHECKSUM_AT) === crc32c(b, CHECKSUM_AT);
}

export function seal(b: Buffer): Buffer {
  b.writeUInt32LE(crc32c(b, CHECKSUM_AT), CHECKSUM_AT);
  return b;
}

/** Payload entries between two sector bitmap entries. */
export function chunkRatio(blockBytes: number, sectorBytes: number): number {
  return (CHUNK_SECTORS * sectorBytes) / blockBytes;
}

/** Entries of the table of a disk without a parent: the last chunk needs no bitmap entry. */
export function tableEntries(blocks: number, ratio: number): number {
  return blocks === 0 ? 0 : blocks + Math.floor((blocks - 1) / ratio);
}
