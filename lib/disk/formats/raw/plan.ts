import type { BlockSource } from "../../block-source.ts";
import { collectRuns } from "../../granule-runs.ts";
import type { FilePlan, Segment } from "../../plan.ts";

/** Holes are told apart down to this many bytes. */
const GRANULE = 4096;

export async function planRaw(disk: BlockSource, signal?: AbortSignal): Promise<FilePlan> {
  const runs = await collectRuns(disk, GRANULE, signal);
  const length = disk.size;
  return {
    length,
    *segments(from = 0, to = length): Iterable<Segment> {
      const end = Math.min(to, length);
      if (from >= end) return;
      let i = runs.runFrom(Math.floor(from / GRANULE));
      // A query inside a hole answers the whole hole: segments are the same whoever asks.
      let at = i === 0 ? 0 : endOf(i - 1);
      while (at < end) {
        const start = i < runs.length ? runs.run(i).start * GRANULE : length;
        if (start > at && start > from) yield { at, length: start - at, kind: "zero" };
        if (i === runs.length || start >= end) return;
        at = endOf(i);
        yield { at: start, length: at - start, kind: "disk", offset: start };
        i++;
      }
    },
  };

  function endOf(i: number): number {
    const run = runs.run(i);
    return Math.min((run.start + run.count) * GRANULE, length);
  }
}
