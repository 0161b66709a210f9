import { createHash } from "node:crypto";
import { and, eq } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { canonicalJson } from "#lib/audit/canonical.ts";
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
import { refuseSecondRetry } from "./second-retry.ts";

type RequestRow = typeof requests.$inferSelect;

export interface CreatedRequest extends RequestRow {
  /** False: the same was asked under this idempotency key before. */
  readonly isNew: boolean;
}

/** What the idempotency key stands for: everything that was asked. */
function hashBody({ idempotencyKey: _, ...asked }: z.infer<typeof NewRequest>): string {
  return createHash("sha256").update(canonicalJson(asked)).digest("hex");
}

/** Throws `request.idempotency-mismatch`. Requests of older versions do not know what was asked under their key. */
function sameAgain(row: RequestRow, bodyHash: string): CreatedRequest {
  if (row.bodyHash !== null && row.bodyHash !== bodyHash) {
    throw new AppError(
      "conflict",
      "request.idempotency-mismatch",
      `Request ${row.number} was made under this idempotency key, and it asked for something else.`,
      { hint: "Use a new key for a new request; send the same body to get the same request again." },
    );
  }
  return { ...row, isNew: false };
}

/**
 * Freezes what was chosen and found under a hash. Where policy waives approval it runs at once.
 * The same idempotency key with the same body is the same request. Throws `request.idempotency-mismatch`, and
 * `request.blocked` with the rules that block. `retryOf` is asked for again once; throws `request.retried`.
 */
export async function createRequest(
  ctx: Ctx,
  input: z.infer<typeof NewRequest>,
  retryOf: string | null = null,
): Promise<CreatedRequest> {
  await authorise(ctx, "request.create");
  const requesterId = ctx.actor.id;
  if (requesterId === null) throw new AppError("forbidden", "auth.forbidden", "A request needs a person who makes it.");
  const [same] = await ctx.db
    .select()
    .from(requests)
    .where(and(eq(requests.requesterId, requesterId), eq(requests.idempotencyKey, input.idempotencyKey)));
  const bodyHash = hashBody(input);
  if (same !== undefined) return sameAgain(same, bodyHash);

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
    if (retryOf !== null) await refuseSecondRetry(tx, retryOf);
    const { waiveApproval } = await loadSettings(tx);
    const [made] = await tx
      .insert(requests)
      .values({
        status: waiveApproval ? "approved" : "pending",
        imageVersionId: version.versionId,
        requesterId,
        note: input.note,
        idempotencyKey: input.idempotencyKey,
        bodyHash,
        retryOf,
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
    const subject = { kind: "request", id: made.id, name: `request ${made.number}` } as const;
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
  if (request === null) {
    // Two clicks at once: the other one made it.
    const [other] = await ctx.db
      .select()
      .from(requests)
      .where(and(eq(requests.requesterId, requesterId), eq(requests.idempotencyKey, input.idempotencyKey)));
    if (other === undefined) throw new AppError("internal", "request.lost", "The request was not stored.");
    return sameAgain(other, bodyHash);
  }
  ctx.events.publish({ type: "request", id: request.id });
  ctx.events.publish({ type: "audit" });
  return { ...request, isNew: true };
}
