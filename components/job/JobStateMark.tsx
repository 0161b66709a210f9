import type { HostWait, JobState } from "#lib/domain/job.ts";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";

const LOOK: Record<JobState, { state: StateKind; word: string }> = {
  queued: { state: "wait", word: "queued" },
  running: { state: "busy", word: "running" },
  cancelling: { state: "warn", word: "cancelling" },
  succeeded: { state: "done", word: "succeeded" },
  failed: { state: "bad", word: "failed" },
  cancelled: { state: "off", word: "cancelled" },
};

/** `waiting`: it lies aside until its host is back. */
export function JobStateMark({ state, waiting }: { readonly state: JobState; readonly waiting: HostWait | null }) {
  if (waiting !== null && state === "queued")
    return <StateMark state="paused">waiting for {waiting.hostName}</StateMark>;
  return <StateMark state={LOOK[state].state}>{LOOK[state].word}</StateMark>;
}
