/**
 * The hosted sparse extent on disk.
 * Source: VMware, "Virtual Disk Format 5.0" (2011), sections "Hosted Sparse Extent" and "Stream-Optimized Compressed
 * Sparse Extents". All numbers little-endian; offsets and sizes in the file are sectors of 512 bytes.
 */
import type { Fields } from "../../fields.ts";

export const SECTOR = 512;
export const GRAIN_SECTORS = 128;
export const GRAIN_BYTES = GRAIN_SECTORS * SECTOR;
export const ENTRIES_PER_TABLE = 512;
/** An extent's tables hold 32-bit sector numbers. */
export const MAX_FILE_SECTORS = 2 ** 32;

export const MAGIC_HOSTED = "KDMV";
/** ESX copy-on-write delta. */
export const MAGIC_COWD = "COWD";
/** seSparse delta: 0x00000000cafebabe. */
export const MAGIC_SESPARSE = Buffer.from([0xbe, 0xba, 0xfe, 0xca, 0, 0, 0, 0]);

export const FLAG_NEWLINE_TEST = 0x1;
export const FLAG_REDUNDANT_TABLE = 0x2;
export const FLAG_ZEROED_GRAIN = 0x4;
export const FLAG_COMPRESSED = 0x1_0000;
export const FLAG_MARKERS = 0x2_0000;
export const COMPRESSION_DEFLATE = 1;
/** gdOffset of a stream whose directory comes at its end, told by the footer. */
export const GD_AT_END = 0xffff_ffff_ffff_ffffn;

export const MARKER_EOS = 0;
export const MARKER_TABLE = 1;
export const MARKER_DIRECTORY = 2;
export const MARKER_FOOTER = 3;
/** lba (8) and size (4) of a grain marker; the compressed bytes follow. */
export const GRAIN_MARKER_BYTES = 12;

/** SparseExtentHeader. Sectors, except where noted. */
export interface SparseHeader {
  readonly version: number;
  readonly flags: number;
  readonly capacity: number;
  readonly grainSize: number;
  readonly descriptorOffset: number;
  readonly descriptorSize: number;
  readonly entriesPerTable: number;
  readonly redundantOffset: number;
  /** null: at the end of the file. */
  readonly directoryOffset: number | null;
  readonly overhead: number;
  readonly uncleanShutdown: boolean;
  readonly compression: number;
}

export function hasFlag(flags: number, flag: number): boolean {
  return (flags & flag) !== 0;
}

export function parseHeader(f: Fields): SparseHeader {
  const atEnd = f.u64big(56) === GD_AT_END;
  // A stream's first header may carry the same mark in the redundant directory's place.
  const redundant = f.u64big(48) === GD_AT_END ? 0 : f.u64(48, "the redundant grain directory's offset");
  return {
    version: f.u32(4),
    flags: f.u32(8),
    capacity: f.u64(12, "the capacity"),
    grainSize: f.u64(20, "the grain size"),
    descriptorOffset: f.u64(28, "the descriptor's offset"),
    descriptorSize: f.u64(36, "the descriptor's size"),
    entriesPerTable: f.u32(44),
    redundantOffset: redundant,
    directoryOffset: atEnd ? null : f.u64(56, "the grain directory's offset"),
    overhead: f.u64(64, "the overhead"),
    uncleanShutdown: f.u8(72) !== 0,
    compression: f.u16(77),
  };
}

export function encodeHeader(h: SparseHeader): Buffer {
  const b = Buffer.alloc(SECTOR);
  b.write(MAGIC_HOSTED, 0, "latin1");
  b.writeUInt32LE(h.version, 4);
  b.writeUInt32LE(h.flags, 8);
  b.writeBigUInt64LE(BigInt(h.capacity), 12);
  b.writeBigUInt64LE(BigInt(h.grainSize), 20);
  b.writeBigUInt64LE(BigInt(h.descriptorOffset), 28);
  b.writeBigUInt64LE(BigInt(h.descriptorSize), 36);
  b.writeUInt32LE(h.entriesPerTable, 44);
  b.writeBigUInt64LE(BigInt(h.redundantOffset), 48);
  b.writeBigUInt64LE(h.directoryOffset === null ? GD_AT_END : BigInt(h.directoryOffset), 56);
  b.writeBigUInt64LE(BigInt(h.overhead), 64);
  b.writeUInt8(h.uncleanShutdown ? 1 : 0, 72);
  // Tells a transfer in text mode from the bytes that it changed.
  b.write("\n \r\n", 73, "latin1");
  b.writeUInt16LE(h.compression, 77);
  return b;
}

/** A metadata marker: `sectors` of metadata follow it. */
export function encodeMarker(sectors: number, type: number): Buffer {
  const b = Buffer.alloc(SECTOR);
  b.writeBigUInt64LE(BigInt(sectors), 0);
  b.writeUInt32LE(0, 8);
  b.writeUInt32LE(type, 12);
  return b;
}
