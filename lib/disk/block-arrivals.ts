/** Which block of a disk came as which: the allocation table of a file that is written in the order of arrival. */
import { GranuleRuns } from "./granule-runs.ts";
import { lowest } from "./lowest.ts";
import { PackedRuns } from "./packed-runs.ts";

/** Blocks of the disk in one page. */
const PAGE_BLOCKS = 4096;
/** From so many runs on, more blocks are taken at a time, so that the runs stay few: it costs holes, not truth. */
const MANY_RUNS = 250_000;

/** Blocks that follow one another on the disk and in the file. */
interface Run {
  readonly start: number;
  count: number;
  readonly rank: number;
}

export class BlockArrivals {
  readonly #blocks: number;
  readonly #step: number;
  /** By page: its runs, sorted; a run does not cross a page. */
  readonly #pages = new Map<number, Run[]>();
  #runs = 0;
  #next = 0;
  /** Runs at which `group` grows again. */
  #limit: number;
  /** Blocks taken at a time. */
  #group = 1;

  /** `blocks`: of the whole disk. */
  constructor(blocks: number, manyRuns: number = MANY_RUNS) {
    this.#blocks = blocks;
    this.#limit = manyRuns;
    this.#step = Math.ceil(manyRuns / 5);
  }

  /** Blocks that have a rank. */
  get stored(): number {
    return this.#next;
  }

  /** The block's rank; `fresh` ranks from `first` on were given just now, to it and to neighbours of it. */
  rankOf(block: number): { readonly rank: number; readonly first: number; readonly fresh: number } {
    const index = Math.floor(block / PAGE_BLOCKS);
    let page = this.#pages.get(index);
    if (page === undefined) this.#pages.set(index, (page = []));
    // The usual case: the disk comes in order.
    const last = page.at(-1);
    const after =
      last === undefined || last.start <= block ? page.length : lowest(page.length, (i) => startOf(page, i) > block);
    const before = page[after - 1];
    if (before !== undefined && block < before.start + before.count) {
      return { rank: before.rank + block - before.start, first: this.#next, fresh: 0 };
    }
    const groupStart = Math.floor(block / this.#group) * this.#group;
    const from =
      this.#group === 1 ? block : Math.max(groupStart, before === undefined ? 0 : before.start + before.count);
    const to = Math.min(groupStart + this.#group, page[after]?.start ?? Number.POSITIVE_INFINITY, this.#blocks);
    const first = this.#next;
    const fresh = to - from;
    this.#next += fresh;
    if (before !== undefined && before.start + before.count === from && before.rank + before.count === first) {
      before.count += fresh;
    } else {
      page.splice(after, 0, { start: from, count: fresh, rank: first });
      this.#runs++;
      if (this.#runs > this.#limit && this.#group < PAGE_BLOCKS) {
        this.#group *= 2;
        this.#limit += this.#step;
      }
    }
    return { rank: first + block - from, first, fresh };
  }

  /** All blocks that came, ranked by arrival. */
  finish(granule: number): GranuleRuns {
    const runs = new PackedRuns();
    const ranks = new Float64Array(this.#runs);
    let i = 0;
    for (const index of [...this.#pages.keys()].sort((a, b) => a - b)) {
      for (const run of this.#pages.get(index) ?? []) {
        runs.add(run.start, run.count);
        ranks[i] = run.rank;
        i++;
      }
    }
    return new GranuleRuns(granule, this.#blocks, runs, ranks);
  }
}

const startOf = (page: readonly Run[], i: number): number => page[i]?.start ?? 0;
