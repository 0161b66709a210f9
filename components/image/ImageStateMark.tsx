import type { ImageVersion } from "#lib/domain/image.ts";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";

const LOOK: Record<ImageVersion["state"], { state: StateKind; word: string }> = {
  receiving: { state: "busy", word: "receiving" },
  analysing: { state: "busy", word: "analysing" },
  ready: { state: "done", word: "ready" },
  failed: { state: "bad", word: "failed" },
};

export function ImageStateMark({ state }: { readonly state: ImageVersion["state"] }) {
  return <StateMark state={LOOK[state].state}>{LOOK[state].word}</StateMark>;
}
