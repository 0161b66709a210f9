/**
 * The clusters of a file that only grows, and their reference counts. A block of counts is written as soon as the file
 * has outgrown what it counts, at the first cluster behind; so only one block stands in memory, whatever the size.
 */
import { REFCOUNT_BYTES } from "./layout.ts";

/** QEMU opens no longer reference count table (QCOW_MAX_REFTABLE_SIZE). Bytes. */
export const MAX_REFTABLE_BYTES = 8 * 1024 * 1024;
const MOST_OWNERS = 65_535;

export interface Tail {
  readonly l1: number;
  readonly refTable: number;
  readonly refTableClusters: number;
}

export class GrowingFile {
  readonly #clusterBytes: number;
  readonly #put: (at: number, bytes: Uint8Array) => void;
  readonly #perBlock: number;
  /** Clusters of the blocks that are written. */
  readonly #blocks: number[] = [];
  /** Counts of clusters from blocks.length × perBlock on. */
  #counts: Buffer;
  #next = 0;

  constructor(clusterBytes: number, put: (at: number, bytes: Uint8Array) => void) {
    this.#clusterBytes = clusterBytes;
    this.#put = put;
    this.#perBlock = clusterBytes / REFCOUNT_BYTES;
    this.#counts = Buffer.alloc(clusterBytes);
  }

  /** The next cluster, with one owner. */
  take(): number {
    if (this.#next === (this.#blocks.length + 1) * this.#perBlock) {
      this.#put(this.#next * this.#clusterBytes, this.#counts);
      this.#blocks.push(this.#next);
      this.#counts = Buffer.alloc(this.#clusterBytes);
      this.#own(this.#next++);
    }
    const cluster = this.#next++;
    this.#own(cluster);
    return cluster;
  }

  /** One owner more. False when its count is written already, or full. */
  share(cluster: number): boolean {
    const first = this.#blocks.length * this.#perBlock;
    if (cluster < first) return false;
    const owners = this.#counts.readUInt16BE((cluster - first) * REFCOUNT_BYTES);
    if (owners === MOST_OWNERS) return false;
    this.#counts.writeUInt16BE(owners + 1, (cluster - first) * REFCOUNT_BYTES);
    return true;
  }

  #own(cluster: number): void {
    this.#counts.writeUInt16BE(1, (cluster - this.#blocks.length * this.#perBlock) * REFCOUNT_BYTES);
  }

  /** Room for an L1 table, then the reference count table and the blocks that are not written yet. */
  finish(l1Clusters: number): Tail {
    const cluster = this.#clusterBytes;
    const l1 = this.#next;
    const refTable = l1 + l1Clusters;
    // The counts count themselves too, so their number is found by trying until it holds.
    let blocks = 1;
    let refTableClusters = 1;
    for (;;) {
      refTableClusters = Math.ceil(((this.#blocks.length + blocks) * 8) / cluster);
      const needed = Math.ceil((refTable + refTableClusters + blocks) / this.#perBlock) - this.#blocks.length;
      if (needed <= blocks) break;
      blocks = needed;
    }
    const end = refTable + refTableClusters + blocks;
    const first = this.#blocks.length * this.#perBlock;
    const counts = Buffer.alloc(blocks * cluster);
    this.#counts.copy(counts);
    for (let i = this.#next; i < end; i++) counts.writeUInt16BE(1, (i - first) * REFCOUNT_BYTES);
    const table = Buffer.alloc(refTableClusters * cluster);
    const at = [...this.#blocks, ...Array.from({ length: blocks }, (_, i) => refTable + refTableClusters + i)];
    for (const [i, block] of at.entries()) table.writeBigUInt64BE(BigInt(block * cluster), i * 8);
    this.#put(refTable * cluster, table);
    this.#put((refTable + refTableClusters) * cluster, counts);
    this.#next = end;
    return { l1, refTable, refTableClusters };
  }
}
