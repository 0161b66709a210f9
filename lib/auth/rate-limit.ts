/** Fixed windows in the database: all servers on it count together, and a restart forgives nothing. */
import { eq, lt, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { rateLimits } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

const WINDOW_MINUTES = 15;
const expired = sql`now() - make_interval(mins => ${WINDOW_MINUTES})`;

/**
 * Counts one try and throws `auth.too-many-attempts` above `limit` in the window. Counted before the password is
 * looked at: tries that run side by side do not slip through.
 */
export async function countAttempt(db: Db, key: string, limit: number): Promise<void> {
  const [row] = await db
    .insert(rateLimits)
    .values({ key, windowStart: sql`now()`, count: 1 })
    .onConflictDoUpdate({
      target: rateLimits.key,
      set: {
        count: sql`case when ${rateLimits.windowStart} < ${expired} then 1 else ${rateLimits.count} + 1 end`,
        windowStart: sql`case when ${rateLimits.windowStart} < ${expired} then now() else ${rateLimits.windowStart} end`,
      },
    })
    .returning();
  // A key that is new is the moment to forget old ones: the table grows with the tries of one window only.
  if (row?.count === 1) await db.delete(rateLimits).where(lt(rateLimits.windowStart, expired));
  if (row !== undefined && row.count > limit) {
    throw new AppError(
      "too-many",
      "auth.too-many-attempts",
      `Too many attempts to sign in. Try again in ${WINDOW_MINUTES} minutes.`,
      {
        hint: "An administrator can set a new password in Settings.",
      },
    );
  }
}

/** The account's owner has shown up: its failed tries are forgotten. */
export async function forgiveAttempts(db: Db, key: string): Promise<void> {
  await db.delete(rateLimits).where(eq(rateLimits.key, key));
}

/** Takes back one try that succeeded; those of others who share the key stay counted. */
export async function returnAttempt(db: Db, key: string): Promise<void> {
  await db
    .update(rateLimits)
    .set({ count: sql`greatest(${rateLimits.count} - 1, 0)` })
    .where(eq(rateLimits.key, key));
}
