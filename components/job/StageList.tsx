import { Check, CircleDashed, CircleSlash, LoaderCircle, X } from "lucide-react";
import type { Stage } from "#lib/domain/request.ts";
import { formatDuration, secondsBetween } from "#lib/format/time.ts";

const LOOK = {
  waiting: { Icon: CircleDashed, word: "waiting", tone: "text-ink-3" },
  running: { Icon: LoaderCircle, word: "running", tone: "text-accent-ink" },
  done: { Icon: Check, word: "done", tone: "text-ok" },
  failed: { Icon: X, word: "failed", tone: "text-bad" },
  skipped: { Icon: CircleSlash, word: "skipped", tone: "text-ink-3" },
} as const;

type AnyStage = Omit<Stage, "id"> & { readonly id: string };

/** What a job does, in order, each with its state as shape and word, and the time it took. */
export function StageList({ stages }: { readonly stages: readonly AnyStage[] }) {
  return (
    <ol className="space-y-1">
      {stages.map((stage) => {
        const { Icon, word, tone } = LOOK[stage.state];
        const seconds = secondsBetween(stage.startedAt, stage.finishedAt);
        return (
          <li
            key={stage.id}
            className="flex items-start gap-2 text-sm leading-5"
            data-stage={stage.id}
            data-state={stage.state}
          >
            <Icon
              aria-hidden
              className={`mt-0.5 size-4 shrink-0 ${tone} ${stage.state === "running" ? "motion-safe:animate-spin" : ""}`}
            />
            <span className={`min-w-0 flex-1 break-words ${stage.state === "waiting" ? "text-ink-3" : ""}`}>
              {stage.label}
            </span>
            <span className={`shrink-0 text-xs tabular-nums ${tone}`}>
              {word}
              {seconds !== null && stage.state !== "waiting" && stage.state !== "skipped"
                ? ` · ${formatDuration(seconds)}`
                : ""}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
