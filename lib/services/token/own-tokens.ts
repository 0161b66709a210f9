import { and, count, desc, eq } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { cappedRole } from "#lib/auth/authenticate.ts";
import { aliveToken, holdAccount, revokeTokens } from "#lib/auth/sessions.ts";
import { newToken } from "#lib/auth/token.ts";
import type { Tx } from "#lib/db/client.ts";
import { apiTokens, sessions, type users } from "#lib/db/schema.ts";
import type { NewApiToken } from "#lib/domain/user.ts";
import { AppError } from "#lib/errors.ts";
import { authorise, authoriseLook } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { ownAccount } from "../user/own-account.ts";

type TokenRow = typeof apiTokens.$inferSelect;
type Made = { row: TokenRow; secret: string };

const MOST_TOKENS = 100;

export async function listOwnTokens(ctx: Ctx): Promise<TokenRow[]> {
  await authoriseLook(ctx, "token.manage-own");
  const user = await ownAccount(ctx);
  return ctx.db
    .select()
    .from(apiTokens)
    .where(and(eq(apiTokens.userId, user.id), aliveToken()))
    .orderBy(desc(apiTokens.createdAt));
}

/**
 * The secret is answered once and cannot be read again. A token makes no token: it would outlive its own revocation.
 * Throws `token.made-by-token`, `token.role-too-strong`, `token.too-many`.
 */
export async function createOwnToken(ctx: Ctx, input: z.infer<typeof NewApiToken>): Promise<Made> {
  if (ctx.actor.via === "token") {
    throw new AppError("forbidden", "token.made-by-token", "A token cannot make another token.", {
      hint: "Make it in Settings, or with email and password: `supravisor login`.",
    });
  }
  return storeToken(ctx, await ownAccount(ctx), input);
}

/** For somebody whose password was checked just now: `user` is the account as it was then. */
export async function storeToken(
  ctx: Ctx,
  user: typeof users.$inferSelect,
  input: z.infer<typeof NewApiToken>,
): Promise<Made> {
  await authorise(ctx, "token.manage-own");
  if (cappedRole(input.role, ctx.actor.role) !== input.role)
    throw new AppError("forbidden", "token.role-too-strong", "A token cannot do more than its owner.");
  const { secret, hash, prefix } = newToken();
  const row = await ctx.db.transaction(async (tx) => {
    await holdAccount(tx, user);
    await requireLiveSession(tx, ctx);
    const [{ alive } = { alive: 0 }] = await tx
      .select({ alive: count() })
      .from(apiTokens)
      .where(and(eq(apiTokens.userId, user.id), aliveToken()));
    if (alive >= MOST_TOKENS) {
      throw new AppError("conflict", "token.too-many", `${user.name} has ${MOST_TOKENS} tokens, which is the most.`, {
        hint: "Revoke those that are no longer used, in Settings or by DELETE /api/v1/tokens/{id}.",
      });
    }
    const [made] = await tx
      .insert(apiTokens)
      .values({
        userId: user.id,
        name: input.name,
        role: input.role,
        hash,
        prefix,
        expiresAt: new Date(Date.now() + input.expiresInDays * 86_400_000),
      })
      .returning();
    if (made === undefined) throw new Error("insert answered without a row");
    await appendAudit(tx, ctx.actor, {
      action: "token.created",
      subject: { kind: "token", id: made.id, name: made.name },
      details: { role: made.role, expiresAt: made.expiresAt.toISOString() },
    });
    return made;
  });
  ctx.events.publish({ type: "audit" });
  return { row, secret };
}

/** The session may have ended since the request began; what ends it holds the same account. */
async function requireLiveSession(tx: Tx, ctx: Ctx): Promise<void> {
  if (ctx.actor.credential?.kind !== "session") return;
  const [row] = await tx.select().from(sessions).where(eq(sessions.id, ctx.actor.credential.id));
  if (row === undefined || row.endedAt !== null)
    throw new AppError("unauthenticated", "auth.required", "Your session has ended. Sign in again.");
}

export async function revokeOwnToken(ctx: Ctx, id: string): Promise<void> {
  await authorise(ctx, "token.manage-own", { action: "token.revoked", subject: { kind: "token", id, name: "" } });
  const user = await ownAccount(ctx);
  await ctx.db.transaction(async (tx) => {
    const [row] = await revokeTokens(tx, user.id, id);
    if (row === undefined) throw new AppError("not-found", "token.not-found", "You have no such token.");
    await appendAudit(tx, ctx.actor, { action: "token.revoked", subject: { kind: "token", id, name: row.name } });
  });
  ctx.events.publish({ type: "audit" });
}
