import { appendAudit } from "#lib/audit/append.ts";
import {
  endSessions,
  listSessions,
  type SessionLimits,
  type SessionRow,
  type WhichSessions,
} from "#lib/auth/sessions.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx } from "../context.ts";
import { ownAccount } from "../user/own-account.ts";

export async function listOwnSessions(ctx: Ctx, limits: SessionLimits): Promise<SessionRow[]> {
  return listSessions(ctx.db, limits, (await ownAccount(ctx)).id);
}

/** One of them, or all but the one that asks. Throws `session.not-found` for one that is not there. */
export async function endOwnSessions(ctx: Ctx, only?: string): Promise<void> {
  const user = await ownAccount(ctx);
  const { credential } = ctx.actor;
  const which: WhichSessions =
    only === undefined ? (credential?.kind === "session" ? { except: credential.id } : {}) : { only };
  await ctx.db.transaction(async (tx) => {
    const ended = await endSessions(tx, user.id, which);
    if (ended === 0 && only !== undefined)
      throw new AppError("not-found", "session.not-found", "You have no such session.");
    if (ended === 0) return;
    await appendAudit(tx, ctx.actor, {
      action: "session.ended",
      subject: { kind: "user", id: user.id, name: user.email },
      details: { why: "signed out by the same person from elsewhere", sessionsEnded: ended },
    });
  });
  ctx.events.publish({ type: "audit" });
}
