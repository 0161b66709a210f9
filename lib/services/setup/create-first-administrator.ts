import { sql } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { hashPassword } from "#lib/auth/password.ts";
import { requireStrongPassword } from "#lib/auth/password-strength.ts";
import { users } from "#lib/db/schema.ts";
import type { NewUser } from "#lib/domain/user.ts";
import { AppError } from "#lib/errors.ts";
import type { Services } from "../context.ts";
import { forgetSetupCode, requireSetupCode } from "./setup-code.ts";
import { ADVISORY_LOCKS } from "#lib/db/advisory-locks.ts";

export async function setupNeeded(services: Services): Promise<boolean> {
  const [any] = await services.db.select({ id: users.id }).from(users).limit(1);
  return any === undefined;
}

/**
 * Only while there is nobody; of two at the same time one wins, the other gets `setup.done`. A code of null is the
 * server itself, which takes the account from its environment; anybody else shows the code. Throws `setup.wrong-code`.
 */
export async function createFirstAdministrator(
  services: Services,
  input: Omit<z.infer<typeof NewUser>, "role">,
  from: { readonly code: string | null; readonly address: string | null },
): Promise<typeof users.$inferSelect> {
  // Asked before the hash, which is work that nobody should be able to order without a name; and again under the lock.
  if (!(await setupNeeded(services))) throw done();
  if (from.code !== null) {
    await requireSetupCode(services.dataDir, from.code).catch(async (error: unknown) => {
      // Of several at once the first one uses the code up.
      throw (await setupNeeded(services)) ? error : done();
    });
  }
  requireStrongPassword(input.password, [input.email, input.name]);
  const passwordHash = await hashPassword(input.password);
  const made = await services.db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.setup})`);
    const [any] = await tx.select({ id: users.id }).from(users).limit(1);
    if (any !== undefined) throw done();
    const [user] = await tx
      .insert(users)
      .values({ email: input.email, name: input.name, role: "administrator", passwordHash })
      .returning();
    if (user === undefined) throw new Error("insert answered without a row");
    await appendAudit(
      tx,
      {
        id: user.id,
        name: user.name,
        role: user.role,
        via: from.code === null ? "system" : "web",
        address: from.address,
      },
      {
        action: "user.created",
        subject: { kind: "user", id: user.id, name: user.email },
        details: { role: user.role, first: true },
      },
    );
    return user;
  });
  await forgetSetupCode(services.dataDir);
  return made;
}

const done = (): AppError =>
  new AppError("conflict", "setup.done", "The first administrator exists already.", { hint: "Sign in instead." });
