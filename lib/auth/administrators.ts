/** There is always one administrator. */
import { and, eq, ne, sql } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { users } from "#lib/db/schema.ts";
import { ADVISORY_LOCKS } from "#lib/db/advisory-locks.ts";

/** Two administrators who demote each other at the same time must not both succeed: to the end of the transaction. */
export async function lockAdministrators(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.administrators})`);
}

/** Is this one an administrator, and the only one who can sign in? Under the lock. */
export async function isLastAdministrator(
  tx: Tx,
  user: Pick<typeof users.$inferSelect, "id" | "role" | "disabled">,
): Promise<boolean> {
  if (user.role !== "administrator" || user.disabled) return false;
  const [other] = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.role, "administrator"), eq(users.disabled, false), ne(users.id, user.id)))
    .limit(1);
  return other === undefined;
}
