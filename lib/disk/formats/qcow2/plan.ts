/**
 * A qcow2 v3 file before it exists: header, L1, reference count table and blocks, L2 tables, then the data in disk
 * order. An appended one has its data right behind the L1 table, and the tables that depend on it at its end.
 */
import { AppError } from "#lib/errors.ts";
import { type BlockLayout, planLayout } from "../../block-layout.ts";
import type { BlockSource } from "../../block-source.ts";
import { collectRuns, type GranuleRuns } from "../../granule-runs.ts";
import type { FilePlan, Segment } from "../../plan.ts";
import type { Region } from "../../region.ts";
import { packingOf, type Qcow2Options } from "./options.ts";
import { countRefBlocks, l1Entries, type Parts, Qcow2Tables } from "./tables.ts";

/** Throws `image.too-large-for-format`; `image.not-plannable` for compressed ones. */
export async function planQcow2(disk: BlockSource, options: Qcow2Options, signal?: AbortSignal): Promise<FilePlan> {
  const layout = layOutQcow2(disk.size, options);
  if (layout.everyBlock) return planLayout(disk, layout, signal);
  const clusterBytes = options.cluster_size;
  return new Qcow2Plan(disk.size, await collectRuns(disk, clusterBytes, signal));
}

/** Throws as `planQcow2` does. */
export function layOutQcow2(size: number, options: Qcow2Options): BlockLayout {
  if (packingOf(options) !== null) {
    throw new AppError(
      "unprocessable",
      "image.not-plannable",
      "A compressed QCOW2 has no known length before its end.",
      {
        hint: "Choose compression=none.",
      },
    );
  }
  const clusterBytes = options.cluster_size;
  const l1 = 1;
  const data = l1 + Math.ceil((l1Entries(size, clusterBytes) * 8) / clusterBytes);
  return {
    blockBytes: clusterBytes,
    dataAt: data * clusterBytes,
    everyBlock: options.preallocation === "metadata",
    around(blocks) {
      const tables = new Qcow2Tables(size, blocks);
      const l2 = data + blocks.data;
      const refTable = l2 + tables.l2Count;
      const counts = countRefBlocks(refTable, clusterBytes);
      const refBlocks = refTable + counts.table;
      const end = refBlocks + counts.blocks;
      const parts: Parts = { l1, data, l2, refTable, refBlocks, refBlockCount: counts.blocks, end };
      const region = (from: number, to: number, bytes: (index: number) => Uint8Array) =>
        clusters(from, to, clusterBytes, bytes);
      return {
        regions: [
          region(0, l1, () => tables.header(parts)),
          region(l1, data, (part) => tables.l1Part(part, parts)),
          region(l2, refTable, (rank) => tables.l2Table(rank, parts)),
          region(refTable, refBlocks, (part) => tables.refTablePart(part, parts)),
          region(refBlocks, end, (block) => tables.refBlock(block, parts)),
        ],
        length: end * clusterBytes,
      };
    },
  };
}

/** Clusters `from` to `to` of the file, each made when it is asked for by its number among them. */
export function clusters(from: number, to: number, clusterBytes: number, bytes: (index: number) => Uint8Array): Region {
  return {
    at: from * clusterBytes,
    length: (to - from) * clusterBytes,
    *segments(first, last) {
      for (let i = Math.floor(first / clusterBytes); i < to && i * clusterBytes < last; i++) {
        yield { at: i * clusterBytes, length: clusterBytes, kind: "meta", bytes: () => bytes(i - from) };
      }
    },
  };
}

class Qcow2Plan implements FilePlan {
  readonly length: number;
  readonly #size: number;
  readonly #runs: GranuleRuns;
  readonly #cluster: number;
  readonly #parts: Parts;
  readonly #tables: Qcow2Tables;

  constructor(size: number, runs: GranuleRuns) {
    this.#size = size;
    this.#runs = runs;
    this.#cluster = runs.granule;
    this.#tables = new Qcow2Tables(size, runs);
    const { l1Clusters, l2Count } = this.#tables;
    const l1 = 1;
    const refTable = l1 + l1Clusters;
    const counts = countRefBlocks(refTable + l2Count + runs.data, runs.granule);
    const refBlocks = refTable + counts.table;
    const l2 = refBlocks + counts.blocks;
    const data = l2 + l2Count;
    this.#parts = { l1, refTable, refBlocks, refBlockCount: counts.blocks, l2, data, end: data + runs.data };
    this.length = this.#parts.end * this.#cluster;
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
    if (index < l1) return this.#tables.header(this.#parts);
    if (index < refTable) return this.#tables.l1Part(index - l1, this.#parts);
    if (index < refBlocks) return this.#tables.refTablePart(index - refTable, this.#parts);
    if (index < l2) return this.#tables.refBlock(index - refBlocks, this.#parts);
    return this.#tables.l2Table(index - l2, this.#parts);
  }
}
