/**
 * Writes a streamOptimized VMDK, never going back: header, descriptor, grains with their tables behind them,
 * directory, footer. Source: "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
 */
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../../block-source.ts";
import { hasLibdeflate } from "../../codec/contexts.ts";
import type { LeafDigests } from "../../copy/leaf-digests.ts";
import { tooLarge } from "../../image-error.ts";
import { packedRuns, type PackedRun } from "../../packed-feed.ts";
import { describeNew } from "./new-descriptor.ts";
import {
  COMPRESSION_DEFLATE,
  encodeHeader,
  encodeMarker,
  ENTRIES_PER_TABLE,
  FLAG_COMPRESSED,
  FLAG_MARKERS,
  FLAG_NEWLINE_TEST,
  GRAIN_BYTES,
  GRAIN_MARKER_BYTES,
  GRAIN_SECTORS,
  MARKER_DIRECTORY,
  MARKER_EOS,
  MARKER_FOOTER,
  MARKER_TABLE,
  MAX_FILE_SECTORS,
  SECTOR,
  type SparseHeader,
} from "./layout.ts";
import type { VmdkOptions } from "./options.ts";
import { DESCRIPTOR_SECTORS } from "./plan.ts";

/** vSphere's limit for a virtual disk: 62 TiB. The directory of such a disk takes 8 MB of memory. */
const MAX_DISK_BYTES = 62 * 2 ** 40;
const TABLE_BYTES = ENTRIES_PER_TABLE * 4;
/** Room for one run of grains: 1 MiB of the disk, none of which compresses. */
const ARENA_BYTES = 1_114_112;

/** libdeflate's level 5 makes files as small as zlib's 6, which other programs use, in half of its time. */
function usualLevel(): number {
  return hasLibdeflate() ? 5 : 6;
}

/** Throws `image.too-large-for-format` above 62 TiB of disk or 2 TiB of compressed file; `image.not-streamable` else. */
export async function* streamVmdk(
  disk: BlockSource,
  options: VmdkOptions,
  signal?: AbortSignal,
  digests?: LeafDigests,
): AsyncIterable<Uint8Array> {
  if (options.subformat !== "streamOptimized") {
    throw new AppError("internal", "image.not-streamable", `A ${options.subformat} VMDK is planned, not streamed.`);
  }
  if (disk.size > MAX_DISK_BYTES) throw tooLarge("VMDK", disk.size, MAX_DISK_BYTES);
  const sectors = Math.ceil(disk.size / SECTOR);
  const header: SparseHeader = {
    version: 3,
    flags: FLAG_NEWLINE_TEST + FLAG_COMPRESSED + FLAG_MARKERS,
    capacity: sectors,
    grainSize: GRAIN_SECTORS,
    descriptorOffset: 1,
    descriptorSize: DESCRIPTOR_SECTORS,
    entriesPerTable: ENTRIES_PER_TABLE,
    redundantOffset: 0,
    directoryOffset: null,
    overhead: GRAIN_SECTORS,
    uncleanShutdown: false,
    compression: COMPRESSION_DEFLATE,
  };
  const head = Buffer.alloc(GRAIN_SECTORS * SECTOR);
  encodeHeader(header).copy(head);
  const descriptor = describeNew(options, sectors, `SPARSE "disk.vmdk"`);
  head.write(descriptor, SECTOR, "utf8");
  yield head;

  const tables = new Tables(Math.ceil(sectors / GRAIN_SECTORS / ENTRIES_PER_TABLE));
  let at = head.length / SECTOR;
  const place = (bytes: Buffer) => {
    at += bytes.length / SECTOR;
    if (at > MAX_FILE_SECTORS) throw tooLarge("a streamOptimized VMDK file", disk.size, MAX_FILE_SECTORS * SECTOR);
    return bytes;
  };
  const level = options.compression_level ?? usualLevel();
  const packing = { granule: GRAIN_BYTES, codec: "zlib", level, hopeless: "store" } as const;
  // They take turns: a piece holds until the one after the next is asked for.
  const arenas: [Buffer, Buffer] = [Buffer.allocUnsafeSlow(ARENA_BYTES), Buffer.allocUnsafeSlow(ARENA_BYTES)];
  let turn = 0;
  for await (const run of packedRuns(disk, { packing, perTable: ENTRIES_PER_TABLE, digests }, signal)) {
    const table = tables.leave(Math.floor(run.first / ENTRIES_PER_TABLE), at);
    if (table !== null) yield place(table);
    const grains = encodeRun(run, at, tables, arenas[turn % 2 === 0 ? 0 : 1]);
    if (grains.length === 0) continue;
    turn++;
    yield place(grains);
  }
  const last = tables.leave(-1, at);
  if (last !== null) yield place(last);
  const directoryAt = at + 1;
  yield place(tables.directory());
  yield place(
    Buffer.concat([
      encodeMarker(1, MARKER_FOOTER),
      encodeHeader({ ...header, directoryOffset: directoryAt }),
      encodeMarker(0, MARKER_EOS),
    ]),
  );
}

/** Grain markers with their data, padded to sectors; enters each grain into its table. `at` in sectors. */
function encodeRun(run: PackedRun, at: number, tables: Tables, bytes: Buffer): Buffer {
  let pos = 0;
  for (const [i, grain] of run.granules.entries()) {
    if (grain === null) continue;
    const number = run.first + i;
    const end = pos + paddedLength(grain);
    bytes.writeBigUInt64LE(BigInt(number * GRAIN_SECTORS), pos);
    bytes.writeUInt32LE(grain.length, pos + 8);
    grain.copy(bytes, pos + GRAIN_MARKER_BYTES);
    bytes.fill(0, pos + GRAIN_MARKER_BYTES + grain.length, end);
    tables.enter(number, at + pos / SECTOR);
    pos = end;
  }
  return bytes.subarray(0, pos);
}

function paddedLength(grain: Buffer): number {
  return Math.ceil((GRAIN_MARKER_BYTES + grain.length) / SECTOR) * SECTOR;
}

/** The grain table being filled, and the directory of those that are written. A table without grains is left out. */
class Tables {
  readonly #directory: Uint32Array;
  #table = Buffer.alloc(TABLE_BYTES);
  #index = -1;
  #used = false;

  constructor(count: number) {
    this.#directory = new Uint32Array(count);
  }

  enter(grain: number, sector: number): void {
    this.#table.writeUInt32LE(sector, (grain % ENTRIES_PER_TABLE) * 4);
    this.#used = true;
  }

  /** Begins table `index`. Answers the one before with its marker when it has grains; it will stand at sector `at`. */
  leave(index: number, at: number): Buffer | null {
    if (index === this.#index) return null;
    let written: Buffer | null = null;
    if (this.#used) {
      written = Buffer.concat([encodeMarker(TABLE_BYTES / SECTOR, MARKER_TABLE), this.#table]);
      this.#directory[this.#index] = at + 1;
      this.#table = Buffer.alloc(TABLE_BYTES);
    }
    this.#used = false;
    this.#index = index;
    return written;
  }

  directory(): Buffer {
    const sectors = Math.ceil((this.#directory.length * 4) / SECTOR);
    const bytes = Buffer.alloc((1 + sectors) * SECTOR);
    encodeMarker(sectors, MARKER_DIRECTORY).copy(bytes);
    this.#directory.forEach((sector, i) => bytes.writeUInt32LE(sector, SECTOR + i * 4));
    return bytes;
  }
}
