import { eq } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { checkPassword, hashPassword } from "#lib/auth/password.ts";
import { countAttempt } from "#lib/auth/rate-limit.ts";
import { users } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx } from "../context.ts";

export async function ownAccount(ctx: Ctx): Promise<typeof users.$inferSelect> {
  const [user] = ctx.actor.id === null ? [] : await ctx.db.select().from(users).where(eq(users.id, ctx.actor.id));
  if (user === undefined) throw new AppError("unauthenticated", "auth.required", "Sign in first.");
  return user;
}

/** Ends the person's other sessions too: this one has to sign in again. */
export async function changeOwnPassword(ctx: Ctx, input: { current: string; next: string }): Promise<void> {
  const user = await ownAccount(ctx);
  await countAttempt(ctx.db, `password:${user.id}`, 10);
  if (!(await checkPassword(user.passwordHash, input.current))) {
    throw new AppError("invalid", "auth.wrong-password", "The current password is wrong.");
  }
  const passwordHash = await hashPassword(input.next);
  await ctx.db.transaction(async (tx) => {
    await tx
      .update(users)
      .set({ passwordHash, sessionEpoch: user.sessionEpoch + 1 })
      .where(eq(users.id, user.id));
    await appendAudit(tx, ctx.actor, {
      action: "user.changed",
      subject: { kind: "user", id: user.id, name: user.email },
      details: { password: "set anew by its owner" },
    });
  });
  ctx.events.publish({ type: "audit" });
}
