/** Fixed windows in the database: all servers on it count together, and a restart forgives nothing. */
import { sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { rateLimits } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

const WINDOW_MINUTES = 15;

/** Counts one try and throws `auth.too-many-attempts` above `limit` in the window. */
export async function countAttempt(db: Db, key: string, limit: number): Promise<void> {
  const [row] = await db
    .insert(rateLimits)
    .values({ key, windowStart: new Date(), count: 1 })
    .onConflictDoUpdate({
      target: rateLimits.key,
      set: {
        count: sql`case when ${rateLimits.windowStart} < now() - make_interval(mins => ${WINDOW_MINUTES}) then 1 else ${rateLimits.count} + 1 end`,
        windowStart: sql`case when ${rateLimits.windowStart} < now() - make_interval(mins => ${WINDOW_MINUTES}) then now() else ${rateLimits.windowStart} end`,
      },
    })
    .returning();
  if (row !== undefined && row.count > limit) {
    throw new AppError("too-many", "auth.too-many-attempts", `Too many attempts to sign in. Try again in ${WINDOW_MINUTES} minutes.`, {
      hint: "An administrator can set a new password in Settings.",
    });
  }
}

export async function forgiveAttempts(db: Db, key: string): Promise<void> {
  await db.delete(rateLimits).where(sql`${rateLimits.key} = ${key}`);
}
