import { and, eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { recordRepeatable } from "#lib/audit/repeats.ts";
import { requests, requestTargets, users } from "#lib/db/schema.ts";
import type { AuditAction } from "#lib/domain/audit-actions.ts";
import { type Allowed, canApprove, canDecide, COOLING_OFF_DAYS } from "#lib/domain/request-rules.ts";
import { AppError } from "#lib/errors.ts";
import { hashPlan } from "#lib/provisioning/frozen-plan.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { enqueueTargets } from "./enqueue-targets.ts";
import { isInHandsOf } from "./independent-approver.ts";

type RequestRow = typeof requests.$inferSelect;

interface Decision {
  readonly planHash: string;
  readonly reason: string;
}

async function decide(ctx: Ctx, id: string, outcome: "approved" | "denied", decision: Decision): Promise<RequestRow> {
  const action = `request.${outcome}` as const;
  await authorise(ctx, "request.decide", { action, subject: { kind: "request", id, name: "" } });
  const [known] = await ctx.db.select().from(requests).where(eq(requests.id, id));
  if (known === undefined) throw new AppError("not-found", "request.not-found", "There is no such request.");
  const allowed = canDecide(known, ctx.actor);
  if (allowed !== true) {
    if (allowed.code === "request.already-decided") throw await alreadyDecided(ctx, known);
    throw await refused(ctx, known, action, new AppError("forbidden", allowed.code, allowed.reason));
  }
  if (decision.planHash !== known.planHash || hashPlan(known.plan) !== known.planHash) {
    throw new AppError("conflict", "request.plan-changed", "What you saw is not what this request asks for now.", {
      hint: "Reload the page and look again.",
    });
  }
  if (outcome === "approved") {
    const held = ctx.actor.id !== null && (await isInHandsOf(ctx.db, ctx.actor.id, known.requesterId));
    const approvable = canApprove(known, ctx.actor, !held);
    if (approvable !== true) throw await refused(ctx, known, action, notIndependent(approvable));
  }
  const row = await ctx.db.transaction(async (tx) => {
    // Of two decisions at the same moment one finds the request pending; the other changes nothing.
    const [decided] = await tx
      .update(requests)
      .set({
        status: outcome,
        decision: outcome,
        decidedBy: ctx.actor.id,
        decidedAt: new Date(),
        decisionReason: decision.reason,
        ...(outcome === "denied" ? { finishedAt: new Date() } : {}),
      })
      .where(and(eq(requests.id, id), eq(requests.status, "pending"), eq(requests.planHash, decision.planHash)))
      .returning();
    if (decided === undefined) return null;
    await appendAudit(tx, ctx.actor, {
      action,
      subject: { kind: "request", id, name: `request ${decided.number}` },
      details: { planHash: decided.planHash, ...(decision.reason === "" ? {} : { reason: decision.reason }) },
    });
    if (outcome === "approved") await enqueueTargets(ctx, tx, decided);
    else await tx.update(requestTargets).set({ status: "cancelled" }).where(eq(requestTargets.requestId, id));
    return decided;
  });
  if (row === null) {
    const [now] = await ctx.db.select().from(requests).where(eq(requests.id, id));
    throw await alreadyDecided(ctx, now ?? known);
  }
  ctx.events.publish({ type: "request", id });
  ctx.events.publish({ type: "audit" });
  return row;
}

/** In the trail with its reason, as often as it is tried. */
async function refused(ctx: Ctx, request: RequestRow, action: AuditAction, why: AppError): Promise<AppError> {
  await recordRepeatable(ctx, ctx.actor, {
    action,
    result: "refused",
    subject: { kind: "request", id: request.id, name: `request ${request.number}` },
    details: { code: why.code, reason: why.message },
  });
  return why;
}

function notIndependent({ code, reason }: Exclude<Allowed, true>): AppError {
  return new AppError("forbidden", code, reason, {
    hint: `Let somebody else approve it. If the requester set your password, choose your own in Settings; ${COOLING_OFF_DAYS} days after the last change to your account you may approve.`,
  });
}

async function alreadyDecided(ctx: Ctx, request: RequestRow): Promise<AppError> {
  const [by] =
    request.decidedBy === null
      ? []
      : await ctx.db.select({ name: users.name }).from(users).where(eq(users.id, request.decidedBy));
  const who = by === undefined ? "" : ` by ${by.name}`;
  const when = request.decidedAt === null ? "" : ` at ${request.decidedAt.toISOString()}`;
  return new AppError(
    "conflict",
    "request.already-decided",
    `Request ${request.number} was ${request.decision ?? request.status}${who}${when}.`,
  );
}

/**
 * Runs exactly what was frozen. Throws `request.own`, `request.approver-not-independent`, `request.already-decided`,
 * `request.plan-changed`.
 */
export function approveRequest(ctx: Ctx, id: string, decision: Decision): Promise<RequestRow> {
  return decide(ctx, id, "approved", decision);
}

export function denyRequest(ctx: Ctx, id: string, decision: Decision): Promise<RequestRow> {
  return decide(ctx, id, "denied", decision);
}
