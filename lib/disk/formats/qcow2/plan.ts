/**
 * A qcow2 v3 file before it exists: header, L1, reference count table and blocks, L2 tables, then the data in disk
 * order. Every table is worked out when its segment is asked for; only the runs of data stand in memory.
 */
import type { BlockSource } from "../../block-source.ts";
import { collectRuns, lowest, type GranuleRuns } from "../../granule-runs.ts";
import { tooLarge } from "../../image-error.ts";
import type { FilePlan, Segment } from "../../plan.ts";
import { FULL_HEADER_BYTES, MAGIC, MAX_L1_BYTES, TWO_32 } from "./layout.ts";

/** Width of a reference count: 16 bits, as all programs write it. */
const REFCOUNT_ORDER = 4;
const REFCOUNT_BYTES = 2;
/** High byte of an entry: this cluster has one owner and may be written in place. */
const COPIED = 0x80;

/** Cluster numbers of the parts, first to last. */
interface Parts {
  readonly l1: number;
  readonly refTable: number;
  readonly refBlocks: number;
  readonly l2: number;
  readonly data: number;
  readonly end: number;
}

export async function planQcow2(disk: BlockSource, clusterBytes: number, signal?: AbortSignal): Promise<FilePlan> {
  const perTable = clusterBytes / 8;
  const l1Entries = Math.max(1, Math.ceil(disk.size / (clusterBytes * perTable)));
  if (l1Entries * 8 > MAX_L1_BYTES) {
    throw tooLarge(
      `a qcow2 with clusters of ${clusterBytes} bytes`,
      disk.size,
      (MAX_L1_BYTES / 8) * perTable * clusterBytes,
    );
  }
  return new Qcow2Plan(disk.size, await collectRuns(disk, clusterBytes, signal), l1Entries);
}

class Qcow2Plan implements FilePlan {
  readonly length: number;
  readonly #size: number;
  readonly #runs: GranuleRuns;
  readonly #cluster: number;
  readonly #perTable: number;
  readonly #l1Entries: number;
  readonly #parts: Parts;
  /** For each run, the number of L2 tables before the one that holds its first cluster. */
  readonly #tableRank: Float64Array;
  readonly #tables: number;

  constructor(size: number, runs: GranuleRuns, l1Entries: number) {
    this.#size = size;
    this.#runs = runs;
    this.#cluster = runs.granule;
    this.#perTable = runs.granule / 8;
    this.#l1Entries = l1Entries;
    this.#tableRank = new Float64Array(runs.length);
    let tables = 0;
    let last = -1;
    for (let i = 0; i < runs.length; i++) {
      const { start, count } = runs.run(i);
      const first = Math.floor(start / this.#perTable);
      const final = Math.floor((start + count - 1) / this.#perTable);
      this.#tableRank[i] = first === last ? tables - 1 : tables;
      tables += final - first + (first === last ? 0 : 1);
      last = final;
    }
    this.#tables = tables;
    this.#parts = this.#layOut();
    this.length = this.#parts.end * this.#cluster;
  }

  /** The counts describe themselves too, so their number is found by trying until it holds. */
  #layOut(): Parts {
    const l1Clusters = Math.ceil((this.#l1Entries * 8) / this.#cluster);
    const perBlock = this.#cluster / REFCOUNT_BYTES;
    let blocks = 1;
    for (;;) {
      const tableClusters = Math.ceil((blocks * 8) / this.#cluster);
      const l1 = 1;
      const refTable = l1 + l1Clusters;
      const refBlocks = refTable + tableClusters;
      const l2 = refBlocks + blocks;
      const data = l2 + this.#tables;
      const end = data + this.#runs.data;
      const needed = Math.ceil(end / perBlock);
      if (needed <= blocks) return { l1, refTable, refBlocks, l2, data, end };
      blocks = needed;
    }
  }

  *segments(from = 0, to = this.length): Iterable<Segment> {
    const end = Math.min(to, this.length);
    if (from >= end) return;
    const cluster = this.#cluster;
    const { data } = this.#parts;
    const lastMeta = Math.min(data, Math.ceil(end / cluster));
    for (let index = Math.floor(from / cluster); index < lastMeta; index++) {
      yield { at: index * cluster, length: cluster, kind: "meta", bytes: () => this.#meta(index) };
    }
    const dataAt = data * cluster;
    if (end <= dataAt) return;
    let i = this.#runs.runOfRank(Math.max(0, Math.floor((from - dataAt) / cluster)));
    for (; i < this.#runs.length; i++) {
      const run = this.#runs.run(i);
      const at = dataAt + run.before * cluster;
      if (at >= end) return;
      const offset = run.start * cluster;
      const length = Math.min(run.count * cluster, this.#size - offset);
      if (at + length > from) yield { at, length, kind: "disk", offset };
      const rest = run.count * cluster - length;
      // The disk ends inside its last cluster.
      if (rest > 0 && at + length < end) yield { at: at + length, length: rest, kind: "zero" };
    }
  }

  #meta(index: number): Uint8Array {
    const { l1, refTable, refBlocks, l2 } = this.#parts;
    if (index < l1) return this.#header();
    if (index < refTable) return this.#l1Part(index - l1);
    if (index < refBlocks) return this.#refTablePart(index - refTable);
    if (index < l2) return this.#refBlock(index - refBlocks);
    return this.#l2Table(index - l2);
  }

  #header(): Uint8Array {
    const { l1, refTable, refBlocks } = this.#parts;
    const bytes = Buffer.alloc(this.#cluster);
    bytes.writeUInt32BE(MAGIC, 0);
    bytes.writeUInt32BE(3, 4);
    bytes.writeUInt32BE(Math.log2(this.#cluster), 20);
    // QEMU forgets what is less than a sector.
    bytes.writeBigUInt64BE(BigInt(Math.ceil(this.#size / 512) * 512), 24);
    bytes.writeUInt32BE(this.#l1Entries, 36);
    bytes.writeBigUInt64BE(BigInt(l1 * this.#cluster), 40);
    bytes.writeBigUInt64BE(BigInt(refTable * this.#cluster), 48);
    bytes.writeUInt32BE(refBlocks - refTable, 56);
    bytes.writeUInt32BE(REFCOUNT_ORDER, 96);
    bytes.writeUInt32BE(FULL_HEADER_BYTES, 100);
    // The zeros after the header are the extension that ends the list.
    return bytes;
  }

  #l1Part(part: number): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    const perCluster = this.#cluster / 8;
    const from = part * perCluster;
    const to = Math.min(from + perCluster, this.#l1Entries);
    let i = this.#runs.runFrom(from * this.#perTable);
    for (; i < this.#runs.length; i++) {
      const run = this.#runs.run(i);
      const first = Math.floor(run.start / this.#perTable);
      const final = Math.floor((run.start + run.count - 1) / this.#perTable);
      if (first >= to) break;
      const rank = this.#tableRank[i] ?? 0;
      for (let table = Math.max(first, from); table <= Math.min(final, to - 1); table++) {
        this.#entry(bytes, (table - from) * 8, (this.#parts.l2 + rank + table - first) * this.#cluster);
      }
    }
    return bytes;
  }

  #refTablePart(part: number): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    const perCluster = this.#cluster / 8;
    const blocks = this.#parts.l2 - this.#parts.refBlocks;
    const from = part * perCluster;
    for (let i = from; i < Math.min(from + perCluster, blocks); i++) {
      bytes.writeBigUInt64BE(BigInt((this.#parts.refBlocks + i) * this.#cluster), (i - from) * 8);
    }
    return bytes;
  }

  #refBlock(block: number): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    const perBlock = this.#cluster / REFCOUNT_BYTES;
    const used = Math.min(perBlock, this.#parts.end - block * perBlock);
    // Big-endian ones.
    for (let i = 0; i < used; i++) bytes[i * REFCOUNT_BYTES + 1] = 1;
    return bytes;
  }

  /** The L2 table of this rank among those that exist. */
  #l2Table(rank: number): Uint8Array {
    const bytes = Buffer.alloc(this.#cluster);
    let i = lowest(this.#runs.length, (run) => (this.#tableRank[run] ?? 0) > rank) - 1;
    const at = this.#runs.run(i);
    const table = Math.floor(at.start / this.#perTable) + rank - (this.#tableRank[i] ?? 0);
    const from = table * this.#perTable;
    const to = from + this.#perTable;
    for (i = this.#runs.runFrom(from); i < this.#runs.length; i++) {
      const run = this.#runs.run(i);
      if (run.start >= to) break;
      const begin = Math.max(run.start, from);
      const end = Math.min(run.start + run.count, to);
      let host = (this.#parts.data + run.before + begin - run.start) * this.#cluster;
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
