import type { ReactNode } from "react";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";
import type { AuditEntry } from "#lib/domain/audit.ts";

const LOOK: Record<AuditEntry["result"], { mark: StateKind; word: string }> = {
  ok: { mark: "done", word: "Done" },
  refused: { mark: "warn", word: "Refused" },
  failed: { mark: "bad", word: "Failed" },
};

export function AuditResultMark({ result }: { result: AuditEntry["result"] }): ReactNode {
  return <StateMark state={LOOK[result].mark}>{LOOK[result].word}</StateMark>;
}
