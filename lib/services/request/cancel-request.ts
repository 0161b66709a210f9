import { and, eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import type { Tx } from "#lib/db/client.ts";
import { requests, requestTargets } from "#lib/db/schema.ts";
import { canCancel } from "#lib/domain/request-rules.ts";
import { AppError } from "#lib/errors.ts";
import { patiently } from "#lib/jobs/patience.ts";
import { followJob, settleByJob } from "#lib/provisioning/repair.ts";
import { settleRequest } from "#lib/provisioning/settle.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

type RequestRow = typeof requests.$inferSelect;
type TargetRow = typeof requestTargets.$inferSelect;

/**
 * The whole request, or one of its targets. What is finished stays; what runs stops and removes what it made. Throws
 * `request.not-found`, `request.target-not-found`, `request.decided-whole`, `request.target-ended`, `request.ended`.
 */
export async function cancelRequest(ctx: Ctx, id: string, targetId: string | null): Promise<void> {
  await authorise(ctx, "request.cancel", { subject: { kind: "request", id, name: "" } });
  await patiently(() => ctx.db.transaction((tx) => cancel(ctx, tx, id, targetId)));
  ctx.events.publish({ type: "request", id });
  ctx.events.publish({ type: "audit" });
}

async function cancel(ctx: Ctx, tx: Tx, id: string, targetId: string | null): Promise<void> {
  const request = await allowed(ctx, tx, id);
  const targets = await tx
    .select()
    .from(requestTargets)
    .where(and(eq(requestTargets.requestId, id), targetId === null ? undefined : eq(requestTargets.id, targetId)))
    .orderBy(requestTargets.position);
  if (targets.length === 0)
    throw new AppError("not-found", "request.target-not-found", `Request ${request.number} has no such target.`);
  if (request.status === "pending") {
    if (targetId !== null) throw decidedWhole(request);
    return withdraw(ctx, tx, request);
  }
  // The jobs first, as their own end does, so that the two never wait for each other.
  const asked: TargetRow[] = [];
  for (const target of targets) {
    if (target.jobId !== null && (await ctx.jobs.requestCancel(tx, target.jobId, ctx.actor))) asked.push(target);
  }
  const changed: string[] = [];
  for (const target of targets) {
    if (await (asked.includes(target) ? followJob(tx, target) : settleByJob(tx, target)))
      changed.push(target.choice.name);
  }
  const settled = await settleRequest(tx, id);
  if (changed.length === 0 && !settled) {
    // Asking twice is asking once; what has ended is not asked at all.
    if (asked.length > 0) return;
    throw new AppError("conflict", "request.target-ended", "What was to be cancelled has ended already.");
  }
  await appendAudit(tx, ctx.actor, {
    action: "request.cancel-requested",
    subject: { kind: "request", id, name: `request ${request.number}` },
    details: { targets: changed },
  });
}

/** The request as it is for this person to cancel; one that waits for its decision is locked. */
async function allowed(ctx: Ctx, tx: Tx, id: string): Promise<RequestRow> {
  const look = () => tx.select().from(requests).where(eq(requests.id, id));
  const [seen] = await look();
  const [request] = seen?.status === "pending" ? await look().for("update") : [seen];
  if (request === undefined) throw new AppError("not-found", "request.not-found", "There is no such request.");
  const may = canCancel(request, ctx.actor);
  if (may !== true) throw new AppError(may.code === "request.ended" ? "conflict" : "forbidden", may.code, may.reason);
  return request;
}

function decidedWhole({ number }: RequestRow): AppError {
  return new AppError(
    "conflict",
    "request.decided-whole",
    `Request ${number} waits for approval, which is given for all of its targets together.`,
    { hint: "Cancel the whole request, and make a new one without this target." },
  );
}

async function withdraw(ctx: Ctx, tx: Tx, { id, number }: RequestRow): Promise<void> {
  await tx
    .update(requests)
    .set({
      status: "cancelled",
      decision: "cancelled",
      decidedBy: ctx.actor.id,
      decidedAt: new Date(),
      finishedAt: new Date(),
    })
    .where(eq(requests.id, id));
  await tx.update(requestTargets).set({ status: "cancelled" }).where(eq(requestTargets.requestId, id));
  await appendAudit(tx, ctx.actor, {
    action: "request.cancelled",
    subject: { kind: "request", id, name: `request ${number}` },
  });
}
