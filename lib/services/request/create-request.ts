import { and, eq } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { requests, requestTargets } from "#lib/db/schema.ts";
import type { NewRequest } from "#lib/domain/request-view.ts";
import type { FrozenPlan } from "#lib/domain/request.ts";
import { AppError } from "#lib/errors.ts";
import { loadVersionFacts } from "#lib/provisioning/facts.ts";
import { hashPlan } from "#lib/provisioning/frozen-plan.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { assessTargets } from "../preflight/assess-targets.ts";
import { loadSettings } from "../settings/settings.ts";
import { enqueueTargets } from "./enqueue-targets.ts";

type RequestRow = typeof requests.$inferSelect;

/**
 * Freezes what was chosen and found under a hash. Where policy waives approval it runs at once.
 * The same idempotency key twice is the same request. Throws `request.blocked` with the rules that block.
 */
export async function createRequest(ctx: Ctx, input: z.infer<typeof NewRequest>): Promise<RequestRow> {
  await authorise(ctx, "request.create");
  const requesterId = ctx.actor.id;
  if (requesterId === null) throw new AppError("forbidden", "auth.forbidden", "A request needs a person who makes it.");
  const [same] = await ctx.db
    .select()
    .from(requests)
    .where(and(eq(requests.requesterId, requesterId), eq(requests.idempotencyKey, input.idempotencyKey)));
  if (same !== undefined) return same;

  const version = await loadVersionFacts(ctx, input.imageVersionId);
  const assessed = await assessTargets(ctx.db, version, input.targets);
  const blockers = assessed.flatMap((target) => target.findings.filter((finding) => finding.severity === "blocker"));
  if (blockers.length > 0) {
    throw new AppError("unprocessable", "request.blocked", blockers.map((finding) => finding.message).join(" "), {
      hint: "Settle the blockers first; most have a remedy beside them.",
      details: { rules: blockers.map((finding) => finding.rule) },
    });
  }
  const plan: FrozenPlan = {
    version: 1,
    imageId: version.imageId,
    imageVersionId: version.versionId,
    imageName: version.image.name,
    fingerprints: [...version.fingerprints],
    ...(version.source === null ? {} : { source: version.source }),
    targets: assessed.map(({ choice, host, findings, estimate }) => ({
      choice,
      hostName: host.name,
      findings,
      estimate,
    })),
  };
  const request = await ctx.db.transaction(async (tx) => {
    const { waiveApproval } = await loadSettings(tx);
    const [made] = await tx
      .insert(requests)
      .values({
        status: waiveApproval ? "approved" : "pending",
        imageVersionId: version.versionId,
        requesterId,
        note: input.note,
        idempotencyKey: input.idempotencyKey,
        plan,
        planHash: hashPlan(plan),
        ...(waiveApproval
          ? { decision: "waived" as const, decidedAt: new Date(), decisionReason: "Approval is waived by policy." }
          : {}),
      })
      .onConflictDoNothing({ target: [requests.requesterId, requests.idempotencyKey] })
      .returning();
    if (made === undefined) return null;
    await tx.insert(requestTargets).values(
      assessed.map(({ choice, findings, estimate }, position) => ({
        requestId: made.id,
        position,
        hostId: choice.hostId,
        choice,
        findings,
        estimate,
        status: "waiting" as const,
      })),
    );
    const subject = { kind: "request", id: made.id, name: `request ${made.number}` };
    await appendAudit(tx, ctx.actor, {
      action: "request.created",
      subject,
      details: {
        image: plan.imageName,
        version: version.number,
        targets: plan.targets.map((target) => `${target.choice.name} on ${target.hostName}`),
        planHash: made.planHash,
        ...(plan.source === undefined ? {} : { source: plan.source }),
      },
    });
    if (waiveApproval) {
      await appendAudit(tx, ctx.actor, {
        action: "request.approval-waived",
        subject,
        details: { planHash: made.planHash },
      });
      await enqueueTargets(ctx, tx, made);
    }
    return made;
  });
  // Two clicks at once: the other one made it.
  const row =
    request ??
    (
      await ctx.db
        .select()
        .from(requests)
        .where(and(eq(requests.requesterId, requesterId), eq(requests.idempotencyKey, input.idempotencyKey)))
    )[0];
  if (row === undefined) throw new AppError("internal", "request.lost", "The request was not stored.");
  ctx.events.publish({ type: "request", id: row.id });
  ctx.events.publish({ type: "audit" });
  return row;
}
