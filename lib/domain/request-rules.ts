/** What can be done to a request as it is now, and by whom: one rule for the button, its reason and the service. */
import { may, type Role } from "./role.ts";
import type { RequestStatus, TargetStatus } from "./request.ts";

export interface RequestFacts {
  readonly status: RequestStatus;
  readonly requesterId: string | null;
}

export interface Person {
  readonly id: string | null;
  readonly role: Role;
}

export type Allowed = true | { readonly code: string; readonly reason: string };

/**
 * For this long after the requester made or changed an account it does not approve their requests; nor does one whose
 * password they set last, however long ago.
 */
export const COOLING_OFF_DAYS = 7;
/** Of a request as pages have it. */
export const factsOf = (request: {
  readonly status: RequestStatus;
  readonly requester: { readonly id: string | null };
}): RequestFacts => ({
  status: request.status,
  requesterId: request.requester.id,
});

/** For a disabled button; null: it can be done. */
export const whyNot = (allowed: true | { readonly reason: string }): string | null =>
  allowed === true ? null : allowed.reason;

/** Something of it waits or runs, so that it could be cancelled. */
export const isOpen = (status: RequestStatus): boolean => ["pending", "approved", "running"].includes(status);

/** Something of it was not made, so that it could be asked for again. */
export const leftSomething = (status: RequestStatus): boolean => ["failed", "partly", "cancelled"].includes(status);

/** A target that could be cancelled by itself: it has a job that has not ended and is not being cancelled. */
export const isOpenTarget = (target: { readonly status: TargetStatus; readonly jobId: string | null }): boolean =>
  target.jobId !== null && ["waiting", "running"].includes(target.status);

const STATUS_WORDS: Record<RequestStatus, string> = {
  pending: "waits for approval",
  denied: "was denied",
  approved: "was approved",
  running: "is running",
  succeeded: "has succeeded",
  partly: "has partly succeeded",
  failed: "has failed",
  cancelled: "was cancelled",
};

/** Approve or deny: by somebody with the right to decide who is not the requester, once. */
export function canDecide(request: RequestFacts, person: Person): Allowed {
  if (!may(person.role, "request.decide"))
    return { code: "auth.forbidden", reason: "Your role may not decide requests." };
  if (request.requesterId === person.id)
    return { code: "request.own", reason: "Nobody decides their own request; another operator has to." };
  if (request.status !== "pending")
    return { code: "request.already-decided", reason: `The request ${STATUS_WORDS[request.status]} already.` };
  return true;
}

/**
 * Approve: also not with an account that the requester, alone or through others, could act through.
 * `independent` is what the audit trail says of that; the service finds it out, and pages are given the verdict.
 */
export function canApprove(request: RequestFacts, person: Person, independent: boolean): Allowed {
  const allowed = canDecide(request, person);
  if (allowed !== true || independent) return allowed;
  return {
    code: "request.approver-not-independent",
    reason: `The requester set up or changed your account in the last ${COOLING_OFF_DAYS} days, or set its password: a request needs two independent people.`,
  };
}

/** A requester cancels their own; operators and administrators any. */
export function canCancel(request: RequestFacts, person: Person): Allowed {
  if (!may(person.role, "request.cancel"))
    return { code: "auth.forbidden", reason: "Your role may not cancel requests." };
  if (!may(person.role, "request.decide") && request.requesterId !== person.id)
    return { code: "request.not-own", reason: "You may cancel your own requests only." };
  if (!isOpen(request.status)) return { code: "request.ended", reason: `The request ${STATUS_WORDS[request.status]}.` };
  return true;
}

/** `retriedAs`: number of the request that asks for it again already. */
export function canRetry(request: RequestFacts, person: Person, retriedAs: number | null = null): Allowed {
  if (!may(person.role, "request.create")) return { code: "auth.forbidden", reason: "Your role may not request VMs." };
  if (!leftSomething(request.status))
    return {
      code: "request.nothing-to-retry",
      reason: `The request ${STATUS_WORDS[request.status]}: there is nothing to ask for again.`,
    };
  if (retriedAs !== null) return { code: "request.retried", reason: `Request ${retriedAs} asks for it again already.` };
  return true;
}

/** What a decided request is, given its targets. */
export function overallStatus(targets: readonly TargetStatus[]): RequestStatus {
  const has = (...statuses: TargetStatus[]) => targets.some((status) => statuses.includes(status));
  if (has("running", "cancelling")) return "running";
  if (has("waiting")) return targets.every((status) => status === "waiting") ? "approved" : "running";
  if (!has("failed", "cancelled")) return "succeeded";
  if (has("succeeded")) return "partly";
  return has("failed") ? "failed" : "cancelled";
}
