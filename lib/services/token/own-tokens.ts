import { and, desc, eq, gt, isNull } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { cappedRole } from "#lib/auth/authenticate.ts";
import { newToken } from "#lib/auth/token.ts";
import { apiTokens } from "#lib/db/schema.ts";
import type { NewApiToken } from "#lib/domain/user.ts";
import { AppError } from "#lib/errors.ts";
import { authorise, authoriseLook } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { ownAccount } from "../user/own-account.ts";

type TokenRow = typeof apiTokens.$inferSelect;

export async function listOwnTokens(ctx: Ctx): Promise<TokenRow[]> {
  await authoriseLook(ctx, "token.manage-own");
  const user = await ownAccount(ctx);
  return ctx.db
    .select()
    .from(apiTokens)
    .where(and(eq(apiTokens.userId, user.id), isNull(apiTokens.revokedAt), gt(apiTokens.expiresAt, new Date())))
    .orderBy(desc(apiTokens.createdAt));
}

/** The secret is answered once and cannot be read again. Throws `token.role-too-strong`. */
export async function createOwnToken(
  ctx: Ctx,
  input: z.infer<typeof NewApiToken>,
): Promise<{ row: TokenRow; secret: string }> {
  await authorise(ctx, "token.manage-own");
  const user = await ownAccount(ctx);
  // A token made with a token must not outgrow it either.
  if (cappedRole(input.role, ctx.actor.role) !== input.role) {
    throw new AppError("forbidden", "token.role-too-strong", "A token cannot do more than its owner.");
  }
  const { secret, hash, prefix } = newToken();
  const row = await ctx.db.transaction(async (tx) => {
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

export async function revokeOwnToken(ctx: Ctx, id: string): Promise<void> {
  await authorise(ctx, "token.manage-own", { action: "token.revoked", subject: { kind: "token", id, name: "" } });
  const user = await ownAccount(ctx);
  await ctx.db.transaction(async (tx) => {
    const [row] = await tx
      .update(apiTokens)
      .set({ revokedAt: new Date() })
      .where(and(eq(apiTokens.id, id), eq(apiTokens.userId, user.id), isNull(apiTokens.revokedAt)))
      .returning();
    if (row === undefined) throw new AppError("not-found", "token.not-found", "You have no such token.");
    await appendAudit(tx, ctx.actor, { action: "token.revoked", subject: { kind: "token", id, name: row.name } });
  });
  ctx.events.publish({ type: "audit" });
}
