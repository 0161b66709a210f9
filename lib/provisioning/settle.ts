/** Writes down how a target stands and what that makes of its request. */
import { and, eq, inArray, ne, sql } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";
import type { Tx } from "#lib/db/client.ts";
import { hosts, requests, requestTargets } from "#lib/db/schema.ts";
import type { AuditAction } from "#lib/domain/audit-actions.ts";
import { overallStatus } from "#lib/domain/request-rules.ts";
import type { Receipt, TargetStatus } from "#lib/domain/request.ts";
import type { ErrorJson } from "#lib/errors.ts";

export interface TargetOutcome {
  readonly status: TargetStatus;
  readonly error?: ErrorJson | null;
  readonly receipt?: Receipt;
  readonly vmRef?: string;
}

/** What ends a target, and what the trail calls it. That one was cancelled is what somebody wanted, and no failure. */
const ENDED_AS: Partial<Record<TargetStatus, AuditAction>> = {
  succeeded: "target.succeeded",
  failed: "target.failed",
  cancelled: "target.cancelled",
};
const OPEN: TargetStatus[] = ["waiting", "running", "cancelling"];

/** In the caller's transaction. A target that has ended keeps its outcome. Answers with the request's id. */
export async function settleTarget(tx: Tx, targetId: string, outcome: TargetOutcome): Promise<string | null> {
  const ended = ENDED_AS[outcome.status] !== undefined;
  const [target] = await tx
    .update(requestTargets)
    .set({
      status: outcome.status,
      ...(outcome.error === undefined ? {} : { error: outcome.error }),
      ...(outcome.receipt === undefined ? {} : { receipt: outcome.receipt }),
      ...(outcome.vmRef === undefined ? {} : { vmRef: outcome.vmRef }),
      ...(outcome.status === "running" ? { startedAt: sql`now()` } : {}),
      ...(ended ? { finishedAt: sql`now()` } : {}),
    })
    .where(
      and(
        eq(requestTargets.id, targetId),
        // What is being cancelled does not run again because another worker goes on with it.
        inArray(requestTargets.status, outcome.status === "running" ? ["waiting", "running"] : OPEN),
      ),
    )
    .returning();
  if (target === undefined) return null;
  await settleRequest(tx, target.requestId);
  const action = ENDED_AS[outcome.status];
  if (action !== undefined) {
    const [request] = await tx
      .select({ number: requests.number })
      .from(requests)
      .where(eq(requests.id, target.requestId));
    const [host] = await tx.select({ name: hosts.name }).from(hosts).where(eq(hosts.id, target.hostId));
    await appendAudit(tx, SUPRAVISOR, {
      action,
      result: outcome.status === "failed" ? "failed" : "ok",
      subject: { kind: "request", id: target.requestId, name: `request ${request?.number ?? "?"}` },
      details: {
        targetId,
        target: target.choice.name,
        hostId: target.hostId,
        ...(host === undefined ? {} : { host: host.name }),
        ...(outcome.receipt ? { receipt: outcome.receipt } : {}),
        ...(outcome.error ? { code: outcome.error.code, message: outcome.error.message } : {}),
      },
    });
  }
  return target.requestId;
}

/** What its targets make of a request. Answers whether that is something else than its row said. */
export async function settleRequest(tx: Tx, requestId: string): Promise<boolean> {
  // Two targets that end at the same time must not each see the other as still running.
  await tx.select({ id: requests.id }).from(requests).where(eq(requests.id, requestId)).for("update");
  const all = await tx
    .select({ status: requestTargets.status })
    .from(requestTargets)
    .where(eq(requestTargets.requestId, requestId));
  const status = overallStatus(all.map((row) => row.status));
  const over = ["succeeded", "partly", "failed", "cancelled"].includes(status);
  const changed = await tx
    .update(requests)
    .set({ status, ...(over ? { finishedAt: sql`now()` } : {}) })
    .where(
      and(eq(requests.id, requestId), inArray(requests.status, ["approved", "running"]), ne(requests.status, status)),
    )
    .returning({ id: requests.id });
  return changed.length > 0;
}
