/** Which granules (clusters, blocks) of a disk hold data, as runs: what a planner keeps in memory instead of tables. */
import type { BlockSource } from "./block-source.ts";
import { PackedRuns, type RunAt } from "./packed-runs.ts";

/** Runs kept at most: 3 to 6 bytes each. Beyond that, narrow zero gaps are taken for data, which costs holes, not truth. */
const MOST_RUNS = 4_000_000;

export class GranuleRuns {
  /** Bytes of one granule. */
  readonly granule: number;
  /** Granules of the disk, the last one perhaps cut. */
  readonly total: number;
  readonly #runs: PackedRuns;
  readonly #ranks: Float64Array | null;

  /** `ranks`: the rank of each run's first granule, where granules are not ranked by their place on the disk. */
  constructor(granule: number, total: number, runs: PackedRuns, ranks?: Float64Array) {
    this.granule = granule;
    this.total = total;
    this.#runs = runs;
    this.#ranks = ranks ?? null;
  }

  /** Granules with data. */
  get data(): number {
    return this.#runs.total;
  }

  /** Number of runs. */
  get length(): number {
    return this.#runs.length;
  }

  /** Run `i`: first granule, number of granules, rank of the first: data granules that are stored before it. */
  run(i: number): RunAt {
    const run = this.#runs.run(i);
    return this.#ranks === null ? run : { ...run, before: this.#ranks[i] ?? 0 };
  }

  /** First run that ends after granule `g`; `length` when there is none. */
  runFrom(g: number): number {
    return this.#runs.runFrom(g);
  }

  /** The run that holds the data granule of this rank (0 = first), ranked by place; `length` when there are fewer. */
  runOfRank(rank: number): number {
    return this.#runs.runOfRank(rank);
  }
}

/** Every granule as one run; none for an empty disk. */
export function everyGranule(granule: number, total: number): GranuleRuns {
  const runs = new PackedRuns();
  if (total > 0) runs.add(0, total);
  return new GranuleRuns(granule, total, runs);
}

/** Joins runs that touch or lie at most `closing` apart. Runs come sorted; they may overlap. */
export class RunJoiner {
  readonly runs = new PackedRuns();
  readonly #closing: number;
  #start = 0;
  #end = -1;

  constructor(closing = 0) {
    this.#closing = closing;
  }

  add(start: number, end: number): void {
    if (this.#end >= 0 && start <= this.#end + this.#closing) this.#end = Math.max(this.#end, end);
    else {
      this.#flush();
      this.#start = start;
      this.#end = end;
    }
  }

  finish(): PackedRuns {
    this.#flush();
    this.#end = -1;
    return this.runs;
  }

  #flush(): void {
    if (this.#end >= 0) this.runs.add(this.#start, this.#end - this.#start);
  }
}

/** One pass over the disk's extents; reads no data. */
export async function collectRuns(
  disk: BlockSource,
  granule: number,
  signal?: AbortSignal,
  mostRuns: number = MOST_RUNS,
): Promise<GranuleRuns> {
  // Gaps of so many granules or fewer are closed.
  let closing = 0;
  let joiner = new RunJoiner();
  for await (const extent of disk.extents(signal)) {
    if (extent.kind === "zero" || extent.length === 0) continue;
    joiner.add(Math.floor(extent.offset / granule), Math.ceil((extent.offset + extent.length) / granule));
    // One more is still open.
    while (joiner.runs.length >= mostRuns) {
      closing = closing === 0 ? 1 : closing * 2;
      const all = joiner.finish();
      joiner = new RunJoiner(closing);
      for (let i = 0; i < all.length; i++) {
        const { start, count } = all.run(i);
        joiner.add(start, start + count);
      }
    }
  }
  return new GranuleRuns(granule, Math.ceil(disk.size / granule), joiner.finish());
}
