/** Writes down how a target stands and what that makes of its request. */
import { and, eq, inArray, ne, sql } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import type { Tx } from "#lib/db/client.ts";
import { requests, requestTargets } from "#lib/db/schema.ts";
import { overallStatus } from "#lib/domain/request-rules.ts";
import type { Receipt, TargetStatus } from "#lib/domain/request.ts";
import type { ErrorJson } from "#lib/errors.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";

export interface TargetOutcome {
  readonly status: TargetStatus;
  readonly error?: ErrorJson | null;
  readonly receipt?: Receipt;
  readonly vmRef?: string;
}

const ENDED: readonly TargetStatus[] = ["succeeded", "failed", "cancelled"];
const OPEN: TargetStatus[] = ["waiting", "running", "cancelling"];

/** In the caller's transaction. A target that has ended keeps its outcome. Answers with the request's id. */
export async function settleTarget(tx: Tx, targetId: string, outcome: TargetOutcome): Promise<string | null> {
  const ended = ENDED.includes(outcome.status);
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
  if (ended) {
    await appendAudit(tx, SUPRAVISOR, {
      action: `target.${outcome.status}`,
      result: outcome.status === "succeeded" ? "ok" : "failed",
      subject: { kind: "request", id: target.requestId, name: target.choice.name },
      details: {
        targetId,
        hostId: target.hostId,
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
