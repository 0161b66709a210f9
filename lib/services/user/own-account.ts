import { eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { checkPassword, hashPassword } from "#lib/auth/password.ts";
import { requireStrongPassword } from "#lib/auth/password-strength.ts";
import { endSessions, holdAccount, revokeTokens } from "#lib/auth/sessions.ts";
import { forgive, takeTurn, throttleKey } from "#lib/auth/throttle.ts";
import { users } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx } from "../context.ts";

export async function ownAccount(ctx: Ctx): Promise<typeof users.$inferSelect> {
  const [user] = ctx.actor.id === null ? [] : await ctx.db.select().from(users).where(eq(users.id, ctx.actor.id));
  if (user === undefined) throw new AppError("unauthenticated", "auth.required", "Sign in first.");
  return user;
}

/** Ends the person's other sessions and revokes all of their tokens; the session that asks stays. */
export async function changeOwnPassword(ctx: Ctx, input: { current: string; next: string }): Promise<void> {
  const user = await ownAccount(ctx);
  const tries = throttleKey("password", user.id);
  await takeTurn(ctx.db, "password", tries);
  if (!(await checkPassword(user.passwordHash, input.current))) {
    throw new AppError("invalid", "auth.wrong-password", "The current password is wrong.");
  }
  await forgive(ctx.db, tries);
  requireStrongPassword(input.next, [user.email, user.name]);
  const passwordHash = await hashPassword(input.next);
  const { credential } = ctx.actor;
  await ctx.db.transaction(async (tx) => {
    await holdAccount(tx, user);
    await tx.update(users).set({ passwordHash }).where(eq(users.id, user.id));
    const sessionsEnded = await endSessions(
      tx,
      user.id,
      credential?.kind === "session" ? { except: credential.id } : {},
    );
    const tokensRevoked = (await revokeTokens(tx, user.id)).length;
    await appendAudit(tx, ctx.actor, {
      action: "user.changed",
      subject: { kind: "user", id: user.id, name: user.email },
      details: { password: "changed by its owner", sessionsEnded, tokensRevoked },
    });
  });
  ctx.events.publish({ type: "audit" });
}
