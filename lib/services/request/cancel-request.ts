import { and, eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { jobs, requests, requestTargets } from "#lib/db/schema.ts";
import { canCancel } from "#lib/domain/request-rules.ts";
import { AppError } from "#lib/errors.ts";
import { settleTarget } from "#lib/provisioning/settle.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

/**
 * The whole request, or one of its targets. What is finished stays; what runs stops and removes what it made. Throws
 * `request.not-found`, `request.target-not-found`, `request.decided-whole`, `request.target-ended`, `request.ended`.
 */
export async function cancelRequest(ctx: Ctx, id: string, targetId: string | null): Promise<void> {
  await authorise(ctx, "request.cancel", { subject: { kind: "request", id, name: "" } });
  await ctx.db.transaction(async (tx) => {
    const [request] = await tx.select().from(requests).where(eq(requests.id, id)).for("update");
    if (request === undefined) throw new AppError("not-found", "request.not-found", "There is no such request.");
    const allowed = canCancel(request, ctx.actor);
    if (allowed !== true)
      throw new AppError(allowed.code === "request.ended" ? "conflict" : "forbidden", allowed.code, allowed.reason);
    const subject = { kind: "request", id, name: `request ${request.number}` } as const;
    const targets = await tx
      .select()
      .from(requestTargets)
      .where(and(eq(requestTargets.requestId, id), targetId === null ? undefined : eq(requestTargets.id, targetId)));
    if (targets.length === 0)
      throw new AppError("not-found", "request.target-not-found", `Request ${request.number} has no such target.`);
    if (targetId !== null) requireCancellable(request, targets[0]);
    if (request.status === "pending") {
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
      await appendAudit(tx, ctx.actor, { action: "request.cancelled", subject });
      return;
    }
    const asked: string[] = [];
    for (const target of targets) {
      if (target.jobId === null || !["waiting", "running"].includes(target.status)) continue;
      if (!(await ctx.jobs.requestCancel(tx, target.jobId, ctx.actor))) continue;
      const [job] = await tx.select({ state: jobs.state }).from(jobs).where(eq(jobs.id, target.jobId));
      await settleTarget(tx, target.id, { status: job?.state === "cancelled" ? "cancelled" : "cancelling" });
      asked.push(target.choice.name);
    }
    if (asked.length > 0)
      await appendAudit(tx, ctx.actor, { action: "request.cancel-requested", subject, details: { targets: asked } });
  });
  ctx.events.publish({ type: "request", id });
  ctx.events.publish({ type: "audit" });
}

/** One target alone. */
function requireCancellable(
  request: typeof requests.$inferSelect,
  target: typeof requestTargets.$inferSelect | undefined,
): void {
  if (request.status === "pending") {
    throw new AppError(
      "conflict",
      "request.decided-whole",
      `Request ${request.number} waits for approval, which is given for all of its targets together.`,
      { hint: "Cancel the whole request, and make a new one without this target." },
    );
  }
  if (target !== undefined && ["succeeded", "failed", "cancelled"].includes(target.status)) {
    throw new AppError(
      "conflict",
      "request.target-ended",
      `The target ${target.choice.name} of request ${request.number} has ended already.`,
    );
  }
}
