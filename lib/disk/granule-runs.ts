/** Which granules (clusters, blocks) of a disk hold data, as runs: what a planner keeps in memory instead of tables. */
import type { BlockSource } from "./block-source.ts";

/** Runs kept at most: 24 bytes each. Beyond that, narrow zero gaps are taken for data, which costs holes, not truth. */
const MOST_RUNS = 500_000;

export class GranuleRuns {
  /** Bytes of one granule. */
  readonly granule: number;
  /** Granules of the disk, the last one perhaps cut. */
  readonly total: number;
  /** Granules with data. */
  readonly data: number;
  /** Number of runs. */
  readonly length: number;
  readonly #starts: Float64Array;
  readonly #counts: Float64Array;
  readonly #before: Float64Array;

  /** `ranks`: the rank of each run's first granule, where granules are not ranked by their place on the disk. */
  constructor(granule: number, total: number, starts: Float64Array, counts: Float64Array, ranks?: Float64Array) {
    this.granule = granule;
    this.total = total;
    this.length = starts.length;
    this.#starts = starts;
    this.#counts = counts;
    this.#before = ranks ?? new Float64Array(starts.length);
    let before = 0;
    for (let i = 0; i < starts.length; i++) {
      if (ranks === undefined) this.#before[i] = before;
      before += counts[i] ?? 0;
    }
    this.data = before;
  }

  /** Run `i`: first granule, number of granules, rank of the first: data granules that are stored before it. */
  run(i: number): { start: number; count: number; before: number } {
    return { start: this.#starts[i] ?? 0, count: this.#counts[i] ?? 0, before: this.#before[i] ?? 0 };
  }

  /** First run that ends after granule `g`; `length` when there is none. */
  runFrom(g: number): number {
    return lowest(this.length, (i) => (this.#starts[i] ?? 0) + (this.#counts[i] ?? 0) > g);
  }

  /** The run that holds the data granule of this rank (0 = first), ranked by place; `length` when there are fewer. */
  runOfRank(rank: number): number {
    return lowest(this.length, (i) => (this.#before[i] ?? 0) + (this.#counts[i] ?? 0) > rank);
  }
}

/** Smallest i in [0, n] for which `test` holds; `test` turns true once and stays. */
export function lowest(n: number, test: (i: number) => boolean): number {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (test(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** One pass over the disk's extents; reads no data. */
export async function collectRuns(
  disk: BlockSource,
  granule: number,
  signal?: AbortSignal,
  mostRuns: number = MOST_RUNS,
): Promise<GranuleRuns> {
  const total = Math.ceil(disk.size / granule);
  let starts: number[] = [];
  let ends: number[] = [];
  // Gaps of so many granules or fewer are closed.
  let closing = 0;
  const add = (start: number, end: number) => {
    const last = ends.length - 1;
    const lastEnd = ends[last];
    if (lastEnd !== undefined && start <= lastEnd + closing) ends[last] = Math.max(lastEnd, end);
    else {
      starts.push(start);
      ends.push(end);
    }
  };
  for await (const extent of disk.extents(signal)) {
    if (extent.kind === "zero" || extent.length === 0) continue;
    add(Math.floor(extent.offset / granule), Math.ceil((extent.offset + extent.length) / granule));
    while (starts.length > mostRuns) {
      closing = closing === 0 ? 1 : closing * 2;
      const oldStarts = starts;
      const oldEnds = ends;
      starts = [];
      ends = [];
      for (let i = 0; i < oldStarts.length; i++) add(oldStarts[i] ?? 0, oldEnds[i] ?? 0);
    }
  }
  const counts = new Float64Array(starts.length);
  for (let i = 0; i < counts.length; i++) counts[i] = (ends[i] ?? 0) - (starts[i] ?? 0);
  return new GranuleRuns(granule, total, Float64Array.from(starts), counts);
}
