import { eq } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { isLastAdministrator, lockAdministrators } from "#lib/auth/administrators.ts";
import { hashPassword } from "#lib/auth/password.ts";
import { requireStrongPassword } from "#lib/auth/password-strength.ts";
import { endSessions, revokeTokens } from "#lib/auth/sessions.ts";
import { users } from "#lib/db/schema.ts";
import type { UserChange } from "#lib/domain/user.ts";
import { AppError } from "#lib/errors.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

type UserRow = typeof users.$inferSelect;
const notFound = (): AppError => new AppError("not-found", "user.not-found", "There is no such account.");

/**
 * A new password, another role and being disabled end the person's sessions. A new password and being disabled revoke
 * their tokens too, for good: enabling an account again revives none. Throws `user.last-administrator`.
 */
export async function changeUser(ctx: Ctx, id: string, change: z.infer<typeof UserChange>): Promise<UserRow> {
  await authorise(ctx, "user.manage", { subject: { kind: "user", id, name: "" } });
  const { password } = change;
  if (password !== undefined) {
    const [known] = await ctx.db.select().from(users).where(eq(users.id, id));
    if (known === undefined) throw notFound();
    requireStrongPassword(password, [known.email, known.name, change.name ?? ""]);
  }
  const passwordHash = password === undefined ? undefined : await hashPassword(password);
  const user = await ctx.db.transaction(async (tx) => {
    await lockAdministrators(tx);
    const [old] = await tx.select().from(users).where(eq(users.id, id)).for("update");
    if (old === undefined) throw notFound();
    const loses = (change.role !== undefined && change.role !== "administrator") || change.disabled === true;
    if (loses && (await isLastAdministrator(tx, old))) {
      throw new AppError("conflict", "user.last-administrator", `${old.name} is the last administrator.`, {
        hint: "Make somebody else an administrator first.",
      });
    }
    const [next] = await tx
      .update(users)
      .set({
        ...(change.name === undefined ? {} : { name: change.name }),
        ...(change.role === undefined ? {} : { role: change.role }),
        ...(change.disabled === undefined ? {} : { disabled: change.disabled }),
        ...(passwordHash === undefined ? {} : { passwordHash }),
        // Nothing to set is no update to drizzle.
        email: old.email,
      })
      .where(eq(users.id, id))
      .returning();
    if (next === undefined) throw notFound();
    const endsTokens = passwordHash !== undefined || change.disabled === true;
    const sessionsEnded = endsTokens || next.role !== old.role ? await endSessions(tx, id) : 0;
    const tokensRevoked = endsTokens ? (await revokeTokens(tx, id)).length : 0;
    await appendAudit(tx, ctx.actor, {
      action: "user.changed",
      subject: { kind: "user", id, name: old.email },
      details: {
        ...(next.name === old.name ? {} : { name: { from: old.name, to: next.name } }),
        ...(next.role === old.role ? {} : { role: { from: old.role, to: next.role } }),
        ...(next.disabled === old.disabled ? {} : { disabled: next.disabled }),
        ...(passwordHash === undefined ? {} : { password: "reset" }),
        ...(sessionsEnded === 0 ? {} : { sessionsEnded }),
        ...(tokensRevoked === 0 ? {} : { tokensRevoked }),
      },
    });
    return next;
  });
  ctx.events.publish({ type: "audit" });
  return user;
}
