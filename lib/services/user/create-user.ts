import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { hashPassword } from "#lib/auth/password.ts";
import { requireStrongPassword } from "#lib/auth/password-strength.ts";
import { users } from "#lib/db/schema.ts";
import type { NewUser } from "#lib/domain/user.ts";
import { AppError } from "#lib/errors.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

export async function createUser(ctx: Ctx, input: z.infer<typeof NewUser>): Promise<typeof users.$inferSelect> {
  await authorise(ctx, "user.manage", {
    action: "user.created",
    subject: { kind: "user", id: null, name: input.email },
  });
  requireStrongPassword(input.password, [input.email, input.name]);
  const passwordHash = await hashPassword(input.password);
  const user = await ctx.db.transaction(async (tx) => {
    const [made] = await tx
      .insert(users)
      .values({ email: input.email, name: input.name, role: input.role, passwordHash })
      .onConflictDoNothing()
      .returning();
    if (made === undefined)
      throw new AppError("conflict", "user.exists", `There is an account for ${input.email} already.`);
    await appendAudit(tx, ctx.actor, {
      action: "user.created",
      subject: { kind: "user", id: made.id, name: made.email },
      details: { role: made.role },
    });
    return made;
  });
  ctx.events.publish({ type: "audit" });
  return user;
}
