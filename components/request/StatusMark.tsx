import type { RequestStatus, TargetStatus } from "#lib/domain/request.ts";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";

const REQUEST: Record<RequestStatus, { state: StateKind; word: string }> = {
  pending: { state: "wait", word: "waits for approval" },
  denied: { state: "bad", word: "denied" },
  approved: { state: "busy", word: "approved" },
  running: { state: "busy", word: "running" },
  succeeded: { state: "done", word: "succeeded" },
  partly: { state: "warn", word: "partly succeeded" },
  failed: { state: "bad", word: "failed" },
  cancelled: { state: "off", word: "cancelled" },
};

const TARGET: Record<TargetStatus, { state: StateKind; word: string }> = {
  waiting: { state: "wait", word: "waiting" },
  running: { state: "busy", word: "running" },
  succeeded: { state: "done", word: "succeeded" },
  failed: { state: "bad", word: "failed" },
  cancelling: { state: "warn", word: "cancelling" },
  cancelled: { state: "off", word: "cancelled" },
};

export function RequestStatusMark({ status }: { readonly status: RequestStatus }) {
  return <StateMark state={REQUEST[status].state}>{REQUEST[status].word}</StateMark>;
}

export function TargetStatusMark({ status }: { readonly status: TargetStatus }) {
  return <StateMark state={TARGET[status].state}>{TARGET[status].word}</StateMark>;
}
