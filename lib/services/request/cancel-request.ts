import { and, eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { jobs, requests, requestTargets } from "#lib/db/schema.ts";
import { canCancel } from "#lib/domain/request-rules.ts";
import { AppError } from "#lib/errors.ts";
import { settleTarget } from "#lib/provisioning/settle.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

/** The whole request, or one of its targets. What is finished stays; what runs stops and removes what it made. */
export async function cancelRequest(ctx: Ctx, id: string, targetId: string | null): Promise<void> {
  await authorise(ctx, "request.cancel");
  await ctx.db.transaction(async (tx) => {
    const [request] = await tx.select().from(requests).where(eq(requests.id, id)).for("update");
    if (request === undefined) throw new AppError("not-found", "request.not-found", "There is no such request.");
    const allowed = canCancel(request, ctx.actor);
    if (allowed !== true)
      throw new AppError(allowed.code === "request.ended" ? "conflict" : "forbidden", allowed.code, allowed.reason);
    const subject = { kind: "request", id, name: `request ${request.number}` };
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
    const targets = await tx
      .select()
      .from(requestTargets)
      .where(and(eq(requestTargets.requestId, id), targetId === null ? undefined : eq(requestTargets.id, targetId)));
    if (targets.length === 0)
      throw new AppError("not-found", "request.target-not-found", "The request has no such target.");
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
