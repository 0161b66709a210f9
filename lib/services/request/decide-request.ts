import { and, eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { requests, requestTargets, users } from "#lib/db/schema.ts";
import { canDecide } from "#lib/domain/request-rules.ts";
import { AppError } from "#lib/errors.ts";
import { hashPlan } from "#lib/provisioning/frozen-plan.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { enqueueTargets } from "./enqueue-targets.ts";

type RequestRow = typeof requests.$inferSelect;

interface Decision {
  readonly planHash: string;
  readonly reason: string;
}

async function decide(ctx: Ctx, id: string, outcome: "approved" | "denied", decision: Decision): Promise<RequestRow> {
  await authorise(ctx, "request.decide");
  const [known] = await ctx.db.select().from(requests).where(eq(requests.id, id));
  if (known === undefined) throw new AppError("not-found", "request.not-found", "There is no such request.");
  const allowed = canDecide({ status: known.status, requesterId: known.requesterId }, ctx.actor);
  if (allowed !== true) {
    if (allowed.code === "request.already-decided") throw await alreadyDecided(ctx, known);
    await ctx.db.transaction((tx) =>
      appendAudit(tx, ctx.actor, {
        action: `request.${outcome}`,
        result: "refused",
        subject: { kind: "request", id, name: `request ${known.number}` },
        details: { reason: allowed.reason },
      }),
    );
    throw new AppError("forbidden", allowed.code, allowed.reason);
  }
  if (decision.planHash !== known.planHash || hashPlan(known.plan) !== known.planHash) {
    throw new AppError("conflict", "request.plan-changed", "What you saw is not what this request asks for now.", {
      hint: "Reload the page and look again.",
    });
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
      action: `request.${outcome}`,
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

/** Runs exactly what was frozen. Throws `request.own`, `request.already-decided`, `request.plan-changed`. */
export function approveRequest(ctx: Ctx, id: string, decision: Decision): Promise<RequestRow> {
  return decide(ctx, id, "approved", decision);
}

export function denyRequest(ctx: Ctx, id: string, decision: Decision): Promise<RequestRow> {
  return decide(ctx, id, "denied", decision);
}
