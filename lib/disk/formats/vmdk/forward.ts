/**
 * Reads a streamOptimized VMDK front to back, grain by grain as their markers tell: what vSphere's exports send.
 * Source: "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
 */
import { promisify } from "node:util";
import { inflate } from "node:zlib";
import { readStruct } from "../../fields.ts";
import type { DiskPiece } from "../../disk-stream.ts";
import type { OpenedStream } from "../../format.ts";
import { corrupt, insane } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import {
  FLAG_COMPRESSED,
  GRAIN_MARKER_BYTES,
  hasFlag,
  MAGIC_HOSTED,
  MARKER_EOS,
  parseHeader,
  SECTOR,
  type SparseHeader,
} from "./layout.ts";
import { describeSparse } from "./link.ts";
import { descriptorDetails, parentLink } from "./descriptor-facts.ts";
import { checkHeader, readEmbedded } from "./sparse.ts";

const inflateAsync = promisify(inflate);
/** What a grain's marker and another one have in common: a sector number, a length, the first word behind them. */
const MARKER_BYTES = 16;
/** Tables looked through at a time. */
const TABLE_STEP = 65_536;
/** Grains being unpacked while one is taken. */
const AHEAD = 16;
/** Tables of one marker: those of a 62 TiB disk's directory have 8 MiB. */
const MOST_META_SECTORS = 65_536;

/** Null for what is no compressed stream: `open` reads it by its tables. */
export async function forwardVmdk(image: ImageFile, signal?: AbortSignal): Promise<OpenedStream | null> {
  const first = await readStruct(image, 0, SECTOR, "le", "the header", signal);
  if (first.ascii(0, 4) !== MAGIC_HOSTED) return null;
  const header = parseHeader(first);
  checkHeader(image, header, first);
  if (!hasFlag(header.flags, FLAG_COMPRESSED)) return null;
  const embedded = await readEmbedded(image, header, signal);
  const { descriptor, variant, details, notes } = describeSparse(image.name, {
    header,
    descriptor: embedded,
    notes: [],
  });
  // A difference is no disk alone.
  if (descriptor !== null && parentLink(descriptor) !== null) return null;
  const overhead = header.overhead * SECTOR;
  if (!Number.isSafeInteger(overhead) || overhead < SECTOR) {
    throw insane(image.name, 64, `its grains begin at sector ${header.overhead}`);
  }
  return {
    facts: {
      format: "vmdk",
      variant,
      virtualSize: header.capacity * SECTOR,
      files: [image.name],
      details: { ...descriptorDetails(descriptor), ...details },
      notes,
    },
    size: header.capacity * SECTOR,
    order: "forward",
    pieces: (stop) => grains(image, header, overhead, stop),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function* grains(
  image: ImageFile,
  header: SparseHeader,
  from: number,
  signal: AbortSignal | undefined,
): AsyncIterable<DiskPiece> {
  const window: Promise<DiskPiece>[] = [];
  try {
    for await (const packed of packedGrains(image, header, from, signal)) {
      const piece = unpack(image.name, header, packed);
      piece.catch(() => undefined);
      window.push(piece);
      const next = window.length > AHEAD ? window.shift() : undefined;
      if (next !== undefined) yield await next;
    }
    for (let next = window.shift(); next !== undefined; next = window.shift()) yield await next;
  } finally {
    await Promise.allSettled(window);
  }
}

interface PackedGrain {
  /** Of its marker, in the file. */
  readonly at: number;
  /** First byte of the disk. */
  readonly offset: number;
  readonly packed: Buffer;
}

async function* packedGrains(
  image: ImageFile,
  header: SparseHeader,
  from: number,
  signal: AbortSignal | undefined,
): AsyncIterable<PackedGrain> {
  const { name, bytes } = image;
  const grainBytes = header.grainSize * SECTOR;
  const last = await lastGrainByTables(image, header, from, signal);
  const marker = Buffer.alloc(MARKER_BYTES);
  let next = 0;
  for (let at = from; last === null || at <= last; ) {
    await bytes.read(at, marker, signal);
    const lba = marker.readBigUInt64LE(0);
    const length = marker.readUInt32LE(8);
    if (length === 0) {
      const type = marker.readUInt32LE(12);
      if (type === MARKER_EOS && lba === 0n) return;
      if (lba > BigInt(MOST_META_SECTORS))
        throw corrupt(name, at, `a marker says that ${lba} sectors of tables follow`);
      // The tables repeat what the markers said.
      at += (1 + Number(lba)) * SECTOR;
      continue;
    }
    if (length > 2 * grainBytes) throw corrupt(name, at + 8, `a compressed grain says it has ${length} bytes`);
    if (lba >= BigInt(header.capacity) || lba % BigInt(header.grainSize) !== 0n) {
      throw corrupt(name, at, `a grain says it is of sector ${lba} of a disk of ${header.capacity}`);
    }
    const sector = Number(lba);
    if (sector < next) {
      throw corrupt(name, at, `the grain of sector ${sector} comes after that of sector ${next - header.grainSize}`);
    }
    next = sector + header.grainSize;
    const packed = Buffer.allocUnsafe(length);
    const here = marker.copy(packed, 0, GRAIN_MARKER_BYTES);
    if (here < length) await bytes.read(at + MARKER_BYTES, packed.subarray(here), signal);
    yield { at, offset: sector * SECTOR, packed };
    at += Math.ceil((GRAIN_MARKER_BYTES + length) / SECTOR) * SECTOR;
  }
}

/**
 * QEMU writes tables before the grains and no mark after the last one: where that one lies only its tables say. Byte of
 * its marker, -1 when there is none; null where the end is marked. Entries of directories point into the tables'
 * own sectors, those of grains behind them.
 */
async function lastGrainByTables(
  { bytes }: ImageFile,
  header: SparseHeader,
  from: number,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  if (header.directoryOffset === null) return null;
  const starts = [header.directoryOffset, header.redundantOffset].filter((sector) => sector > 0);
  const first = Math.min(...starts) * SECTOR;
  if (starts.length === 0 || first >= from) return null;
  const overhead = from / SECTOR;
  const part = Buffer.alloc(Math.min(TABLE_STEP, from - first));
  let last = 0;
  for (let at = first; at < from; at += part.length) {
    const piece = part.subarray(0, Math.min(part.length, from - at));
    await bytes.read(at, piece, signal);
    for (let pos = 0; pos + 4 <= piece.length; pos += 4) {
      const sector = piece.readUInt32LE(pos);
      if (sector >= overhead && sector > last) last = sector;
    }
  }
  return last === 0 ? -1 : last * SECTOR;
}

async function unpack(name: string, header: SparseHeader, { at, offset, packed }: PackedGrain): Promise<DiskPiece> {
  const grainBytes = header.grainSize * SECTOR;
  const wanted = Math.min(grainBytes, header.capacity * SECTOR - offset);
  let grain: Buffer;
  try {
    grain = await inflateAsync(packed, { maxOutputLength: grainBytes, chunkSize: grainBytes + 64 });
  } catch (error) {
    throw corrupt(name, at, `the grain of sector ${offset / SECTOR} cannot be unpacked`, error);
  }
  if (grain.length < wanted) {
    throw corrupt(
      name,
      at,
      `the grain of sector ${offset / SECTOR} unpacks to ${grain.length} bytes, not ${grainBytes}`,
    );
  }
  return { offset, bytes: grain.subarray(0, wanted) };
}
