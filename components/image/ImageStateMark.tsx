import type { ImageVersion } from "#lib/domain/image.ts";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";

const LOOK: Record<ImageVersion["state"], { state: StateKind; word: string }> = {
  receiving: { state: "busy", word: "receiving" },
  analysing: { state: "busy", word: "analysing" },
  ready: { state: "done", word: "ready" },
  failed: { state: "bad", word: "failed" },
};

/** A version that is ready has its files; one whose files went is not. */
export function ImageStateMark({ version }: { readonly version: Pick<ImageVersion, "state" | "faults"> }) {
  const { state, faults } = version;
  if (state === "ready" && faults.length > 0) return <StateMark state="bad">files missing</StateMark>;
  return <StateMark state={LOOK[state].state}>{LOOK[state].word}</StateMark>;
}
