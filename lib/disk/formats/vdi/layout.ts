/**
 * VDI on disk. Source: VirtualBox, src/VBox/Storage/VDICore.h (structures VDIPREHEADER and VDIHEADER1PLUS).
 * Little-endian; offsets are bytes, entries of the block map count blocks from the data's beginning.
 */
import { randomBytes } from "node:crypto";

export const HEADER_BYTES = 512;
export const SIGNATURE = 0xbeda_107f;
export const VERSION_1_1 = 0x0001_0001;
export const TYPE_DYNAMIC = 1;
export const TYPE_FIXED = 2;
export const TYPE_UNDO = 3;
export const TYPE_DIFFERENCING = 4;
/** Never written: zeros in an image that has no parent. */
export const BLOCK_FREE = 0xffff_ffff;
/** Written with zeros, or discarded. */
export const BLOCK_ZERO = 0xffff_fffe;
export const BLOCK_BYTES = 1_048_576;
/** Size of VDIHEADER1PLUS as VirtualBox writes it. */
const HEADER_STRUCT_BYTES = 400;

/** Byte offsets of the fields. */
export const AT = {
  signature: 64,
  version: 68,
  headerSize: 72,
  type: 76,
  mapOffset: 340,
  dataOffset: 344,
  sectorSize: 360,
  diskSize: 368,
  blockSize: 376,
  blockExtra: 380,
  blocks: 384,
  blocksAllocated: 388,
  uuid: 392,
  uuidModified: 408,
  /** Parent of a difference, and that one's state at the time: both empty in an image that stands alone. */
  uuidLinkage: 424,
  uuidParentModified: 440,
  /** Of the logical geometry, whose other fields may be empty. VirtualBox opens no image of 400 header bytes without it. */
  logicalSectorSize: 468,
} as const;

export interface NewVdi {
  readonly type: number;
  readonly size: number;
  readonly mapOffset: number;
  readonly dataOffset: number;
  readonly blocks: number;
  readonly blocksAllocated: number;
}

export function encodeHeader(vdi: NewVdi): Buffer {
  const b = Buffer.alloc(HEADER_BYTES);
  b.write("<<< Oracle VM VirtualBox Disk Image >>>\n", 0, "latin1");
  b.writeUInt32LE(SIGNATURE, AT.signature);
  b.writeUInt32LE(VERSION_1_1, AT.version);
  b.writeUInt32LE(HEADER_STRUCT_BYTES, AT.headerSize);
  b.writeUInt32LE(vdi.type, AT.type);
  b.writeUInt32LE(vdi.mapOffset, AT.mapOffset);
  b.writeUInt32LE(vdi.dataOffset, AT.dataOffset);
  b.writeUInt32LE(512, AT.sectorSize);
  b.writeUInt32LE(512, AT.logicalSectorSize);
  b.writeBigUInt64LE(BigInt(vdi.size), AT.diskSize);
  b.writeUInt32LE(BLOCK_BYTES, AT.blockSize);
  b.writeUInt32LE(0, AT.blockExtra);
  b.writeUInt32LE(vdi.blocks, AT.blocks);
  b.writeUInt32LE(vdi.blocksAllocated, AT.blocksAllocated);
  uuid().copy(b, AT.uuid);
  // VirtualBox takes an image without this for one that was never closed.
  uuid().copy(b, AT.uuidModified);
  return b;
}

/** As text; null when it is all zeros. The first three groups are little-endian. */
export function uuidAt(b: Buffer, at: number): string | null {
  const raw = Buffer.from(b.subarray(at, at + 16));
  if (raw.every((byte) => byte === 0)) return null;
  for (const [from, to] of [
    [0, 4],
    [4, 6],
    [6, 8],
  ] as const)
    raw.subarray(from, to).reverse();
  return raw.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A random UUID (RFC 9562, version 4) in the little-endian field order of RTUUID. */
function uuid(): Buffer {
  const b = randomBytes(16);
  b[7] = 0x40 + ((b[7] ?? 0) % 16);
  b[8] = 0x80 + ((b[8] ?? 0) % 64);
  return b;
}
