import { UsageError } from "./print-error.ts";
import { type BarProgress, progressBar } from "./progress-bar.ts";
import { progressLines } from "./progress-lines.ts";

export interface ProgressWords {
  /** bar, json or none; absent: as `json` says. */
  readonly progress?: string;
  readonly json?: boolean;
}

export interface Progress {
  update(now: BarProgress): void;
  end(): void;
}

/** What `--progress` and `--json` ask for, on stderr. Throws UsageError for any other word. */
export function progressOf({ progress, json }: ProgressWords, label: string): Progress {
  const how = progress ?? (json === true ? "json" : "bar");
  if (how === "json") return progressLines();
  if (how === "bar") return progressBar(label);
  if (how === "none") return { update: () => undefined, end: () => undefined };
  throw new UsageError(`--progress takes bar, json or none, not “${how}”.`);
}
