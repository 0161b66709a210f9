import { eq } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { isLastAdministrator, lockAdministrators } from "#lib/auth/administrators.ts";
import { hashPassword } from "#lib/auth/password.ts";
import { users } from "#lib/db/schema.ts";
import type { UserChange } from "#lib/domain/user.ts";
import { AppError } from "#lib/errors.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

/** Role, state and password changes end the person's sessions. Throws `user.last-administrator`. */
export async function changeUser(
  ctx: Ctx,
  id: string,
  change: z.infer<typeof UserChange>,
): Promise<typeof users.$inferSelect> {
  await authorise(ctx, "user.manage", { subject: { kind: "user", id, name: "" } });
  const passwordHash = change.password === undefined ? undefined : await hashPassword(change.password);
  const user = await ctx.db.transaction(async (tx) => {
    await lockAdministrators(tx);
    const [old] = await tx.select().from(users).where(eq(users.id, id));
    if (old === undefined) throw new AppError("not-found", "user.not-found", "There is no such account.");
    const loses = (change.role !== undefined && change.role !== "administrator") || change.disabled === true;
    if (loses && (await isLastAdministrator(tx, old))) {
      throw new AppError("conflict", "user.last-administrator", `${old.name} is the last administrator.`, {
        hint: "Make somebody else an administrator first.",
      });
    }
    const endsSessions =
      passwordHash !== undefined || (change.role !== undefined && change.role !== old.role) || change.disabled === true;
    const [next] = await tx
      .update(users)
      .set({
        ...(change.name === undefined ? {} : { name: change.name }),
        ...(change.role === undefined ? {} : { role: change.role }),
        ...(change.disabled === undefined ? {} : { disabled: change.disabled }),
        ...(passwordHash === undefined ? {} : { passwordHash }),
        sessionEpoch: endsSessions ? old.sessionEpoch + 1 : old.sessionEpoch,
      })
      .where(eq(users.id, id))
      .returning();
    if (next === undefined) throw new AppError("not-found", "user.not-found", "There is no such account.");
    await appendAudit(tx, ctx.actor, {
      action: "user.changed",
      subject: { kind: "user", id, name: old.email },
      details: {
        ...(change.name !== undefined && change.name !== old.name ? { name: { from: old.name, to: change.name } } : {}),
        ...(change.role !== undefined && change.role !== old.role ? { role: { from: old.role, to: change.role } } : {}),
        ...(change.disabled !== undefined && change.disabled !== old.disabled ? { disabled: change.disabled } : {}),
        ...(passwordHash === undefined ? {} : { password: "set anew" }),
      },
    });
    return next;
  });
  ctx.events.publish({ type: "audit" });
  return user;
}
