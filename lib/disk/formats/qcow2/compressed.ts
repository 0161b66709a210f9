/**
 * Writes a compressed qcow2 v3 in one pass: clusters in disk order, each L2 table behind its clusters, the L1 table and
 * the reference counts at the end, the header last. What does not compress is stored as it is.
 * Source: docs/interop/qcow2.txt, "Compressed Clusters Descriptor".
 */
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../../block-source.ts";
import type { Packing } from "../../codec/pack-granule.ts";
import type { LeafDigests } from "../../copy/leaf-digests.ts";
import { tooLarge } from "../../image-error.ts";
import { packedRuns } from "../../packed-feed.ts";
import type { PlacedBytes } from "../../placed.ts";
import { encodeHeader } from "./encode-header.ts";
import { Gather } from "./gather.ts";
import { GrowingFile, MAX_REFTABLE_BYTES } from "./growing-file.ts";
import { COMPRESSED_HIGH, COPIED_HIGH, REFCOUNT_BYTES, TWO_32 } from "./layout.ts";
import { packingOf, type Qcow2Options } from "./options.ts";
import { l1Entries } from "./tables.ts";

const SECTOR = 512;
const GATHER_BYTES = 1024 * 1024;

/** Throws `image.too-large-for-format`, and what the disk throws. */
export async function* packQcow2(
  disk: BlockSource,
  options: Qcow2Options,
  signal?: AbortSignal,
  digests?: LeafDigests,
): AsyncIterable<PlacedBytes> {
  const chosen = packingOf(options);
  if (chosen === null) {
    throw new AppError("internal", "image.not-streamable", "A QCOW2 that is not compressed is planned.");
  }
  const clusterBytes = options.cluster_size;
  const entries = l1Entries(disk.size, clusterBytes);
  const perTable = clusterBytes / 8;
  const out = new Gather(Math.max(GATHER_BYTES, clusterBytes) + 4 * clusterBytes);
  const file = new GrowingFile(clusterBytes, (at, bytes) => out.put(at, bytes));
  const header = file.take();
  const clusters = new Clusters(file, out, clusterBytes);
  const l1 = new Float64Array(entries);
  let table = Buffer.alloc(clusterBytes);
  let tableIndex = -1;
  let used = false;
  const leaveTable = () => {
    if (used) {
      l1[tableIndex] = clusters.store(table);
      table = Buffer.alloc(clusterBytes);
    }
    used = false;
  };
  const packing: Packing = {
    granule: clusterBytes,
    codec: chosen.compression === "zstd" ? "zstd" : "deflate",
    level: chosen.level,
    hopeless: "keep",
  };
  const most = (MAX_REFTABLE_BYTES / 8) * (clusterBytes / REFCOUNT_BYTES) * clusterBytes;
  for await (const { first, granules } of packedRuns(disk, { packing, perTable, digests }, signal)) {
    const index = Math.floor(first / perTable);
    if (index !== tableIndex) leaveTable();
    tableIndex = index;
    for (const [i, bytes] of granules.entries()) {
      if (bytes === null) continue;
      const pos = ((first + i) % perTable) * 8;
      used = true;
      if (bytes.length === clusterBytes) writeOffset(table, pos, COPIED_HIGH, clusters.store(bytes));
      else writePacked(table, pos, clusters.pack(bytes), bytes.length, clusterBytes);
    }
    if (clusters.end > most) throw tooLarge(`a qcow2 with clusters of ${clusterBytes} bytes`, clusters.end, most);
    yield* out.take();
  }
  leaveTable();
  const tail = file.finish(Math.ceil((entries * 8) / clusterBytes));
  yield* out.take();
  // By pieces: the table of the largest disk has 32 MiB.
  for (let from = 0; from < entries; from += perTable) {
    const part = Buffer.alloc(clusterBytes);
    for (let i = from; i < Math.min(from + perTable, entries); i++) {
      const at = l1[i] ?? 0;
      if (at > 0) writeOffset(part, (i - from) * 8, COPIED_HIGH, at);
    }
    yield { at: tail.l1 * clusterBytes + from * 8, bytes: part };
  }
  yield {
    at: header * clusterBytes,
    bytes: encodeHeader({
      clusterBytes,
      size: disk.size,
      l1Entries: entries,
      compression: chosen.compression,
      ...tail,
    }),
  };
}

/** Places clusters: whole ones at cluster boundaries, packed ones one behind another, at any byte. */
class Clusters {
  readonly #file: GrowingFile;
  readonly #out: Gather;
  readonly #clusterBytes: number;
  /** The cluster that packed bytes go to, and where they go on. -1: none. */
  #open = -1;
  #at = 0;
  /** End of the file so far. Bytes. */
  end = 0;

  constructor(file: GrowingFile, out: Gather, clusterBytes: number) {
    this.#file = file;
    this.#out = out;
    this.#clusterBytes = clusterBytes;
  }

  /** Answers the offset in the file. */
  store(bytes: Uint8Array): number {
    const at = this.#take() * this.#clusterBytes;
    this.#out.put(at, bytes);
    return at;
  }

  pack(bytes: Uint8Array): number {
    const room = (this.#open + 1) * this.#clusterBytes - this.#at;
    let at = this.#at;
    if (this.#open < 0 || bytes.length > room || !this.#file.share(this.#open)) {
      const next = this.#take();
      // Packed bytes may lie over a boundary where both clusters lie together; both have then one owner more.
      const joined = this.#open >= 0 && room > 0 && next === this.#open + 1 && this.#file.share(this.#open);
      if (!joined) at = next * this.#clusterBytes;
      this.#open = next;
    }
    this.#out.put(at, bytes);
    this.#at = at + bytes.length;
    return at;
  }

  #take(): number {
    const cluster = this.#file.take();
    this.end = (cluster + 1) * this.#clusterBytes;
    return cluster;
  }
}

function writeOffset(table: Buffer, pos: number, flags: number, offset: number): void {
  table.writeUInt32BE(flags + Math.floor(offset / TWO_32), pos);
  table.writeUInt32BE(offset % TWO_32, pos + 4);
}

/** The offset in the low bits, above it the number of sectors that it touches beyond the first. */
function writePacked(table: Buffer, pos: number, at: number, length: number, clusterBytes: number): void {
  const sectors = Math.floor((at + length - 1) / SECTOR) - Math.floor(at / SECTOR);
  // 62 - (bits - 8) bits of offset, of which the upper word has 32 fewer.
  const shift = 30 - (Math.log2(clusterBytes) - 8);
  writeOffset(table, pos, COMPRESSED_HIGH + sectors * 2 ** shift, at);
}
