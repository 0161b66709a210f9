import type { ReactNode } from "react";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";
import type { Host } from "#lib/domain/host.ts";

const LOOK: Record<Host["state"], { mark: StateKind; word: string }> = {
  connecting: { mark: "wait", word: "Connecting" },
  online: { mark: "on", word: "Online" },
  offline: { mark: "bad", word: "Offline" },
};

export function HostStateMark({ state, markOnly }: { state: Host["state"]; markOnly?: boolean }): ReactNode {
  return (
    <StateMark state={LOOK[state].mark} markOnly={markOnly ?? false}>
      {LOOK[state].word}
    </StateMark>
  );
}
