import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { requests, requestTargets } from "#lib/db/schema.ts";
import { canRetry } from "#lib/domain/request-rules.ts";
import { AppError } from "#lib/errors.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { createRequest } from "./create-request.ts";
import { retriedAlready, retryOf } from "./second-retry.ts";

/**
 * A new request for what did not succeed: checked and approved again, since the old approval was for another moment.
 * Throws `request.nothing-to-retry`, `request.retried` and what making a request throws.
 */
export async function retryRequest(ctx: Ctx, id: string): Promise<typeof requests.$inferSelect> {
  await authorise(ctx, "request.create");
  const [request] = await ctx.db.select().from(requests).where(eq(requests.id, id));
  if (request === undefined) throw new AppError("not-found", "request.not-found", "There is no such request.");
  const allowed = canRetry(request, ctx.actor);
  if (allowed !== true) throw new AppError("conflict", allowed.code, allowed.reason);
  // Looked at again when the new one is stored; here it spares a preflight that nobody needs.
  const other = await retryOf(ctx.db, id);
  if (other !== null) throw retriedAlready(other);
  const targets = await ctx.db
    .select()
    .from(requestTargets)
    .where(eq(requestTargets.requestId, id))
    .orderBy(requestTargets.position);
  const asked = {
    imageVersionId: request.imageVersionId,
    targets: targets.filter((target) => target.status !== "succeeded").map((target) => target.choice),
    note: [request.note, `Asked again after request ${request.number}.`].filter(Boolean).join("\n").slice(0, 2000),
    idempotencyKey: randomUUID(),
  };
  return createRequest(ctx, asked, id);
}
