/** qcow2 on disk: docs/interop/qcow2.txt of QEMU 7.2. All numbers are big-endian. */

export const MAGIC = 0x514649fb;
export const V2_HEADER_BYTES = 72;
export const V3_HEADER_BYTES = 104;
/** Header with the compression type byte and its padding. */
export const FULL_HEADER_BYTES = 112;

export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 21;
/** QEMU's own bound (QCOW_MAX_L1_SIZE): a longer table is damage or malice. Bytes. */
export const MAX_L1_BYTES = 32 * 1024 * 1024;
export const MAX_BACKING_NAME = 1023;

/** Width of a reference count as we write it: 16 bits, as all programs do. */
export const REFCOUNT_ORDER = 4;
export const REFCOUNT_BYTES = 2;

/** Header extension types. */
export const EXT_END = 0;
export const EXT_BACKING_FORMAT = 0xe2792aca;
export const EXT_FEATURE_NAMES = 0x6803f857;
export const EXT_DATA_FILE = 0x44415441;

/** Incompatible feature bits by number. */
export const INCOMPATIBLE = { dirty: 0, corrupt: 1, dataFile: 2, compressionType: 3, extendedL2: 4 } as const;

export const COMPRESSION_ZLIB = 0;
export const COMPRESSION_ZSTD = 1;

/** High and low words of a table entry: the offset is bits 9–55. */
export const OFFSET_HIGH = 0x00ffffff;
export const COPIED_HIGH = 0x80000000;
export const COMPRESSED_HIGH = 0x40000000;
export const TWO_32 = 0x1_0000_0000;

export type Compression = "zlib" | "zstd";

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBytes: number;
  readonly clusterBits: number;
  /** Virtual size in bytes. */
  readonly size: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly extendedL2: boolean;
  readonly compression: Compression;
  readonly dirty: boolean;
  readonly snapshots: number;
  readonly refcountBits: number;
  readonly backing: { readonly name: string; readonly format: string | null } | null;
  /** Name from the header extension; null when the data lies in this file. */
  readonly dataFile: string | null;
}

/** Entries in one L2 table. */
export function l2Entries(header: { clusterBytes: number; extendedL2: boolean }): number {
  return header.clusterBytes / (header.extendedL2 ? 16 : 8);
}
