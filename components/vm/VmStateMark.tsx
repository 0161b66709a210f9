import type { ReactNode } from "react";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";
import type { Vm } from "#lib/domain/inventory.ts";

export const VM_STATE: Record<Vm["state"], { mark: StateKind; word: string }> = {
  running: { mark: "run", word: "Running" },
  stopped: { mark: "off", word: "Stopped" },
  paused: { mark: "paused", word: "Paused" },
  suspended: { mark: "paused", word: "Suspended" },
  crashed: { mark: "bad", word: "Crashed" },
  unknown: { mark: "unknown", word: "Unknown" },
};

export function VmStateMark({ state, markOnly }: { state: Vm["state"]; markOnly?: boolean }): ReactNode {
  return (
    <StateMark state={VM_STATE[state].mark} markOnly={markOnly ?? false}>
      {VM_STATE[state].word}
    </StateMark>
  );
}
