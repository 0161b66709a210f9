import type { JobState } from "#lib/domain/job.ts";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";

const LOOK: Record<JobState, { state: StateKind; word: string }> = {
  queued: { state: "wait", word: "queued" },
  running: { state: "busy", word: "running" },
  cancelling: { state: "warn", word: "cancelling" },
  succeeded: { state: "done", word: "succeeded" },
  failed: { state: "bad", word: "failed" },
  cancelled: { state: "off", word: "cancelled" },
};

export function JobStateMark({ state }: { readonly state: JobState }) {
  return <StateMark state={LOOK[state].state}>{LOOK[state].word}</StateMark>;
}
