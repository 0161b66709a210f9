/**
 * VHD on disk. Source: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0 (2006).
 * Numbers are big-endian; offsets are bytes except in the block allocation table, which counts sectors of 512.
 */
import { randomBytes } from "node:crypto";
import type { Fields } from "../../fields.ts";
import { isZero } from "../../zeros.ts";

export const SECTOR = 512;
export const FOOTER_BYTES = 512;
export const DYNAMIC_HEADER_BYTES = 1024;
export const COOKIE_FOOTER = "conectix";
export const COOKIE_DYNAMIC = "cxsparse";
export const UNUSED_BLOCK = 0xffff_ffff;
export const NO_OFFSET = 0xffff_ffff_ffff_ffffn;
export const TYPE_FIXED = 2;
export const TYPE_DYNAMIC = 3;
export const TYPE_DIFFERENCING = 4;
/** What Microsoft's own tools refuse to exceed: 2,040 GiB. */
export const MAX_DISK_BYTES = 2040 * 2 ** 30;
/** Seconds from 1970 to 2000, where VHD time begins. */
const EPOCH = 946_684_800;
const CHECKSUM_FOOTER = 64;
const CHECKSUM_DYNAMIC = 36;

export interface Footer {
  readonly creator: string;
  readonly currentSize: number;
  /** Cylinders × heads × sectors, and the bytes of one cylinder; what guests of Virtual PC see. */
  readonly geometrySize: number;
  readonly cylinderBytes: number;
  /** Hex. */
  readonly uniqueId: string;
  readonly type: number;
  /** Of the dynamic header; unused in fixed images. */
  readonly dataOffset: bigint;
}

/** Ones' complement of the sum of all bytes but the checksum's own four. */
function checksum(bytes: Buffer, field: number): number {
  let sum = 0;
  for (const [i, byte] of bytes.entries()) if (i < field || i >= field + 4) sum += byte;
  return 0xffff_ffff - sum;
}

export function footerIsSound(bytes: Buffer): boolean {
  if (bytes.toString("latin1", 0, 8) !== COOKIE_FOOTER) return false;
  // Virtual PC before 2004 wrote 511 bytes; the last one counts as zero.
  return bytes.readUInt32BE(CHECKSUM_FOOTER) === checksum(bytes, CHECKSUM_FOOTER);
}

/** Bytes from the file's end in which a footer with zeros behind it is looked for. */
export const PADDED_WITHIN = 4096;

/** Where in the last bytes of a file a footer begins behind which only zeros follow; null: nowhere. */
export function paddedFooterAt(tail: Uint8Array): number | null {
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  const pos = bytes.lastIndexOf(COOKIE_FOOTER, undefined, "latin1");
  return pos >= 0 && pos + FOOTER_BYTES <= bytes.length && isZero(bytes.subarray(pos + FOOTER_BYTES)) ? pos : null;
}

export function dynamicHeaderIsSound(bytes: Buffer): boolean {
  return bytes.readUInt32BE(CHECKSUM_DYNAMIC) === checksum(bytes, CHECKSUM_DYNAMIC);
}

export function parseFooter(f: Fields): Footer {
  const cylinderBytes = f.u8(58) * f.u8(59) * SECTOR;
  return {
    geometrySize: f.u16(56) * cylinderBytes,
    cylinderBytes,
    uniqueId: f.raw.toString("hex", 68, 84),
    creator: f
      .ascii(28, 4)
      .replace(/[^\x20-\x7e]/g, "")
      .trim(),
    currentSize: f.u64(48, "the disk's size"),
    type: f.u32(60),
    dataOffset: f.u64big(16),
  };
}

/**
 * Creator `win ` makes qemu believe the size; with most other creators it computes one from the geometry, which is
 * smaller for nearly every disk.
 */
export function encodeFooter(size: number, type: number): Buffer {
  const b = Buffer.alloc(FOOTER_BYTES);
  b.write(COOKIE_FOOTER, 0, "latin1");
  b.writeUInt32BE(2, 8); // Features: the reserved bit, always set.
  b.writeUInt32BE(0x0001_0000, 12);
  b.writeBigUInt64BE(type === TYPE_FIXED ? NO_OFFSET : BigInt(FOOTER_BYTES), 16);
  b.writeUInt32BE(Math.max(0, Math.floor(Date.now() / 1000) - EPOCH) % 2 ** 32, 24);
  b.write("win ", 28, "latin1");
  b.writeUInt32BE(0x000a_0000, 32);
  b.write("Wi2k", 36, "latin1");
  b.writeBigUInt64BE(BigInt(size), 40);
  b.writeBigUInt64BE(BigInt(size), 48);
  const { cylinders, heads, sectors } = geometry(size / SECTOR);
  b.writeUInt16BE(cylinders, 56);
  b.writeUInt8(heads, 58);
  b.writeUInt8(sectors, 59);
  b.writeUInt32BE(type, 60);
  randomBytes(16).copy(b, 68);
  b.writeUInt32BE(checksum(b, CHECKSUM_FOOTER), CHECKSUM_FOOTER);
  return b;
}

export function encodeDynamicHeader(tableOffset: number, entries: number, blockBytes: number): Buffer {
  const b = Buffer.alloc(DYNAMIC_HEADER_BYTES);
  b.write(COOKIE_DYNAMIC, 0, "latin1");
  b.writeBigUInt64BE(NO_OFFSET, 8);
  b.writeBigUInt64BE(BigInt(tableOffset), 16);
  b.writeUInt32BE(0x0001_0000, 24);
  b.writeUInt32BE(entries, 28);
  b.writeUInt32BE(blockBytes, 32);
  b.writeUInt32BE(checksum(b, CHECKSUM_DYNAMIC), CHECKSUM_DYNAMIC);
  return b;
}

/** The specification's appendix "CHS Calculation", word for word. */
function geometry(total: number): { cylinders: number; heads: number; sectors: number } {
  const all = Math.min(total, 65_535 * 16 * 255);
  if (all >= 65_535 * 16 * 63) return { cylinders: Math.floor(all / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let tracks = Math.floor(all / sectors);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  for (const [perTrack, most] of [
    [31, 16],
    [63, 16],
  ] as const) {
    if (tracks < heads * 1024 && heads <= most) break;
    sectors = perTrack;
    heads = 16;
    tracks = Math.floor(all / sectors);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectors };
}
