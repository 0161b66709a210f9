/**
 * The tables of a qcow2 v3 file: every cluster of them is worked out when it is asked for; only the runs of data
 * stand in memory.
 */
import { type GranuleRuns, RunJoiner } from "../../granule-runs.ts";
import type { PackedRuns } from "../../packed-runs.ts";
import { tooLarge } from "../../image-error.ts";
import { encodeHeader } from "./encode-header.ts";
import { MAX_L1_BYTES, REFCOUNT_BYTES, TWO_32 } from "./layout.ts";

/** High byte of an entry: this cluster has one owner and may be written in place. */
const COPIED = 0x80;

/** Cluster numbers of the parts. */
export interface Parts {
  readonly l1: number;
  readonly refTable: number;
  readonly refBlocks: number;
  readonly refBlockCount: number;
  readonly l2: number;
  readonly data: number;
  readonly end: number;
}

/** Throws `image.too-large-for-format`. */
export function l1Entries(size: number, clusterBytes: number): number {
  const perTable = clusterBytes / 8;
  const entries = Math.max(1, Math.ceil(size / (clusterBytes * perTable)));
  if (entries * 8 > MAX_L1_BYTES) {
    throw tooLarge(
      `a qcow2 with clusters of ${clusterBytes} bytes`,
      size,
      (MAX_L1_BYTES / 8) * perTable * clusterBytes,
    );
  }
  return entries;
}

/** Reference counts count the clusters that hold them too, so their number is found by trying until it holds. */
export function countRefBlocks(otherClusters: number, clusterBytes: number): { blocks: number; table: number } {
  let blocks = 1;
  for (;;) {
    const table = Math.ceil((blocks * 8) / clusterBytes);
    const needed = Math.ceil((otherClusters + table + blocks) / (clusterBytes / REFCOUNT_BYTES));
    if (needed <= blocks) return { blocks, table };
    blocks = needed;
  }
}

export class Qcow2Tables {
  readonly #size: number;
  readonly #runs: GranuleRuns;
  readonly #cluster: number;
  readonly #perTable: number;
  readonly #l1Entries: number;
  /** The L2 tables that are needed, by their number on the disk. */
  readonly #tables: PackedRuns;
  /** L2 tables that are needed. */
  readonly l2Count: number;
  readonly l1Clusters: number;

  constructor(size: number, runs: GranuleRuns) {
    this.#size = size;
    this.#runs = runs;
    this.#cluster = runs.granule;
    this.#perTable = runs.granule / 8;
    this.#l1Entries = l1Entries(size, runs.granule);
    this.l1Clusters = Math.ceil((this.#l1Entries * 8) / runs.granule);
    const joiner = new RunJoiner();
    for (let i = 0; i < runs.length; i++) {
      const { start, count } = runs.run(i);
      joiner.add(Math.floor(start / this.#perTable), Math.ceil((start + count) / this.#perTable));
    }
    this.#tables = joiner.finish();
    this.l2Count = this.#tables.total;
  }

  header({ l1, refTable, refBlockCount }: Parts): Uint8Array {
    return encodeHeader({
      clusterBytes: this.#cluster,
      size: this.#size,
      l1Entries: this.#l1Entries,
      l1,
      refTable,
      refTableClusters: Math.ceil((refBlockCount * 8) / this.#cluster),
    });
  }

  /** Cluster `part` of the L1 table. */
  l1Part(part: number, { l2 }: Parts): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    const perCluster = this.#cluster / 8;
    const from = part * perCluster;
    const to = Math.min(from + perCluster, this.#l1Entries);
    for (let i = this.#tables.runFrom(from); i < this.#tables.length; i++) {
      const { start, count, before } = this.#tables.run(i);
      if (start >= to) break;
      for (let table = Math.max(start, from); table < Math.min(start + count, to); table++) {
        this.#entry(bytes, (table - from) * 8, (l2 + before + table - start) * this.#cluster);
      }
    }
    return bytes;
  }

  /** Cluster `part` of the reference count table. */
  refTablePart(part: number, { refBlocks, refBlockCount }: Parts): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    const perCluster = this.#cluster / 8;
    const from = part * perCluster;
    for (let i = from; i < Math.min(from + perCluster, refBlockCount); i++) {
      bytes.writeBigUInt64BE(BigInt((refBlocks + i) * this.#cluster), (i - from) * 8);
    }
    return bytes;
  }

  refBlock(block: number, { end }: Parts): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    const perBlock = this.#cluster / REFCOUNT_BYTES;
    const used = Math.min(perBlock, end - block * perBlock);
    // Big-endian ones.
    for (let i = 0; i < used; i++) bytes[i * REFCOUNT_BYTES + 1] = 1;
    return bytes;
  }

  /** The L2 table of this rank among those that exist. */
  l2Table(rank: number, { data }: Parts): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    const { start, before } = this.#tables.run(this.#tables.runOfRank(rank));
    const table = start + rank - before;
    const from = table * this.#perTable;
    const to = from + this.#perTable;
    for (let i = this.#runs.runFrom(from); i < this.#runs.length; i++) {
      const run = this.#runs.run(i);
      if (run.start >= to) break;
      const begin = Math.max(run.start, from);
      const end = Math.min(run.start + run.count, to);
      let host = (data + run.before + begin - run.start) * this.#cluster;
      for (let guest = begin; guest < end; guest++) {
        this.#entry(bytes, (guest - from) * 8, host);
        host += this.#cluster;
      }
    }
    return bytes;
  }

  #entry(bytes: Buffer, pos: number, offset: number): void {
    bytes.writeUInt32BE(Math.floor(offset / TWO_32), pos);
    bytes.writeUInt32BE(offset % TWO_32, pos + 4);
    bytes[pos] = COPIED;
  }
}
