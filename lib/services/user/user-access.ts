/** Other people's sessions and tokens, for administrators. */
import { and, desc, eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import {
  aliveToken,
  endSessions,
  listSessions,
  revokeTokens,
  type SessionLimits,
  type SessionRow,
} from "#lib/auth/sessions.ts";
import type { Tx } from "#lib/db/client.ts";
import { apiTokens, users } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

type UserRow = typeof users.$inferSelect;

async function person(db: Tx, id: string): Promise<UserRow> {
  const [user] = await db.select().from(users).where(eq(users.id, id));
  if (user === undefined) throw new AppError("not-found", "user.not-found", "There is no such account.");
  return user;
}

export async function listUserSessions(ctx: Ctx, limits: SessionLimits, id: string): Promise<SessionRow[]> {
  await authorise(ctx, "user.read");
  await person(ctx.db, id);
  return listSessions(ctx.db, limits, id);
}

export async function listUserTokens(ctx: Ctx, id: string): Promise<(typeof apiTokens.$inferSelect)[]> {
  await authorise(ctx, "user.read");
  await person(ctx.db, id);
  return ctx.db
    .select()
    .from(apiTokens)
    .where(and(eq(apiTokens.userId, id), aliveToken()))
    .orderBy(desc(apiTokens.createdAt));
}

/** One session, or without `only` the person everywhere. Throws `session.not-found`. */
export async function endUserSessions(ctx: Ctx, id: string, only?: string): Promise<void> {
  await authorise(ctx, "user.manage");
  await ctx.db.transaction(async (tx) => {
    const user = await person(tx, id);
    const ended = await endSessions(tx, id, only === undefined ? {} : { only });
    if (ended === 0 && only !== undefined)
      throw new AppError("not-found", "session.not-found", `${user.name} has no such session.`);
    if (ended === 0) return;
    await appendAudit(tx, ctx.actor, {
      action: "session.ended",
      subject: { kind: "user", id, name: user.email },
      details: { why: "signed out by an administrator", sessionsEnded: ended },
    });
  });
  ctx.events.publish({ type: "audit" });
}

/** One token, or without `only` all of the person's. Throws `token.not-found`. */
export async function revokeUserTokens(ctx: Ctx, id: string, only?: string): Promise<void> {
  await authorise(ctx, "user.manage");
  await ctx.db.transaction(async (tx) => {
    const user = await person(tx, id);
    const revoked = await revokeTokens(tx, id, only);
    if (revoked.length === 0 && only !== undefined)
      throw new AppError("not-found", "token.not-found", `${user.name} has no such token.`);
    for (const token of revoked) {
      await appendAudit(tx, ctx.actor, {
        action: "token.revoked",
        subject: { kind: "token", id: token.id, name: token.name },
        details: { owner: user.email },
      });
    }
  });
  ctx.events.publish({ type: "audit" });
}
