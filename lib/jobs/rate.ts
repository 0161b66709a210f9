/** Rate and time left of a transfer, from the last seconds rather than from its beginning. */
import type { Progress } from "#lib/domain/request.ts";

export interface ProgressReport {
  /** Bytes of the disk settled, all of them, and those that truly went over the wire. */
  readonly done: number;
  readonly total: number;
  readonly moved: number;
}

const WINDOW_MS = 6000;

export function rateMeter(now: () => number = Date.now): (report: ProgressReport) => Progress {
  let samples: { at: number; done: number }[] = [];
  return (report) => {
    const at = now();
    const last = samples.at(-1);
    // A new stage counts from nothing again.
    if (last !== undefined && report.done < last.done) samples = [];
    samples.push({ at, done: report.done });
    while (samples.length > 2 && at - (samples[0]?.at ?? at) > WINDOW_MS) samples.shift();
    const first = samples[0];
    const seconds = first === undefined ? 0 : (at - first.at) / 1000;
    const rate = first === undefined || seconds < 0.2 ? null : (report.done - first.done) / seconds;
    return {
      done: report.done,
      total: report.total,
      moved: report.moved,
      rate,
      eta: rate === null || rate <= 0 ? null : (report.total - report.done) / rate,
    };
  };
}
