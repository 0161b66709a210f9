/** The first cluster of a qcow2 v3 file that we write. */
import {
  COMPRESSION_ZSTD,
  FULL_HEADER_BYTES,
  INCOMPATIBLE,
  MAGIC,
  REFCOUNT_ORDER,
  type Compression,
} from "./layout.ts";

export interface NewHeader {
  readonly clusterBytes: number;
  /** Virtual size in bytes. */
  readonly size: number;
  readonly l1Entries: number;
  /** Cluster numbers. */
  readonly l1: number;
  readonly refTable: number;
  readonly refTableClusters: number;
  readonly compression?: Compression;
}

export function encodeHeader(header: NewHeader): Buffer {
  const { clusterBytes } = header;
  const bytes = Buffer.alloc(clusterBytes);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt32BE(3, 4);
  bytes.writeUInt32BE(Math.log2(clusterBytes), 20);
  // QEMU forgets what is less than a sector.
  bytes.writeBigUInt64BE(BigInt(Math.ceil(header.size / 512) * 512), 24);
  bytes.writeUInt32BE(header.l1Entries, 36);
  bytes.writeBigUInt64BE(BigInt(header.l1 * clusterBytes), 40);
  bytes.writeBigUInt64BE(BigInt(header.refTable * clusterBytes), 48);
  bytes.writeUInt32BE(header.refTableClusters, 56);
  bytes.writeUInt32BE(REFCOUNT_ORDER, 96);
  bytes.writeUInt32BE(FULL_HEADER_BYTES, 100);
  // zlib is what a reader takes for granted; any other kind has a bit that keeps out those who do not know it.
  if (header.compression === "zstd") {
    bytes.writeUInt32BE(2 ** INCOMPATIBLE.compressionType, 76);
    bytes.writeUInt8(COMPRESSION_ZSTD, 104);
  }
  // The zeros after the header are the extension that ends the list.
  return bytes;
}
