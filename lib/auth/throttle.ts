/**
 * Failed tries slow the next one down; they lock nobody out. Counted in the database: all servers on it count
 * together, and a restart forgives nothing.
 */
import { createHash } from "node:crypto";
import { desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { rateLimits } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

/** Tries that cost nothing but themselves; each one above doubles the wait for the next, up to a minute. */
export const FREE_TRIES = {
  /** One account from one place. */
  pair: 5,
  /** One account from all places where nobody signed in to it yet. */
  account: 20,
  /** One place, all accounts that nobody signed in to from there yet. */
  place: 30,
  /** The current password, when somebody who is signed in changes it. */
  password: 5,
} as const;

const MOST_SECONDS = 60;
const FORGOTTEN_MINUTES = 15;
const forgotten = sql`now() - make_interval(mins => ${FORGOTTEN_MINUTES})`;
/** However many names an attacker invents, the table stays this large. */
const MOST_KEYS = 50_000;
const PRUNE_EVERY = 256;
let newKeys = 0;

/** What people type is not kept, however long or odd it is. */
export function throttleKey(kind: keyof typeof FREE_TRIES, ...parts: readonly string[]): string {
  return `${kind}:${createHash("sha256").update(JSON.stringify(parts)).digest("base64url")}`;
}

/**
 * Counts one try before it is looked at, so that tries that run side by side do not slip through. Answers for how
 * many seconds the next one will have to wait. Throws `auth.too-many-attempts` when this one comes too early.
 */
export async function takeTurn(db: Db, kind: keyof typeof FREE_TRIES, key: string): Promise<number> {
  const free = FREE_TRIES[kind];
  const count = sql`case when ${rateLimits.lastAt} < ${forgotten} then 1 else ${rateLimits.count} + 1 end`;
  const seconds = sql`case when ${count} <= ${free}::int then 0 else least(${MOST_SECONDS}::int, power(2, least(${count} - ${free}::int - 1, 10))) end`;
  const [row] = await db
    .insert(rateLimits)
    .values({ key, count: 1 })
    .onConflictDoUpdate({
      target: rateLimits.key,
      set: { count, lastAt: sql`now()`, notBefore: sql`now() + make_interval(secs => ${seconds})` },
      setWhere: sql`${rateLimits.notBefore} <= now()`,
    })
    .returning({
      count: rateLimits.count,
      wait: sql<number>`extract(epoch from ${rateLimits.notBefore} - now())::float`,
    });
  if (row === undefined) throw await tooEarly(db, key);
  if (row.count === 1) await prune(db);
  return Math.max(0, Math.round(row.wait));
}

async function tooEarly(db: Db, key: string): Promise<AppError> {
  const [row] = await db
    .select({ wait: sql<number>`extract(epoch from ${rateLimits.notBefore} - now())::float` })
    .from(rateLimits)
    .where(eq(rateLimits.key, key));
  const retryAfter = Math.max(1, Math.ceil(row?.wait ?? 1));
  return new AppError(
    "too-many",
    "auth.too-many-attempts",
    `There were too many failed attempts. Try again in ${retryAfter} ${retryAfter === 1 ? "second" : "seconds"}.`,
    {
      hint: "Attempts are slowed down, never locked out: wait and try again. From places where you signed in before, only your own attempts count.",
      details: { retryAfter },
    },
  );
}

/** A key that is new is the moment to forget old ones. */
async function prune(db: Db): Promise<void> {
  await db.delete(rateLimits).where(lt(rateLimits.lastAt, forgotten));
  newKeys += 1;
  if (newKeys % PRUNE_EVERY !== 0) return;
  const surplus = db
    .select({ key: rateLimits.key })
    .from(rateLimits)
    .orderBy(desc(rateLimits.lastAt))
    .offset(MOST_KEYS);
  await db.delete(rateLimits).where(inArray(rateLimits.key, surplus));
}

/** The person has shown up: the failed tries under this key are forgotten. */
export async function forgive(db: Db, key: string): Promise<void> {
  await db.delete(rateLimits).where(eq(rateLimits.key, key));
}

/** Takes back the one try that succeeded; those of others under the same key stay counted. */
export async function takeBack(db: Db, key: string): Promise<void> {
  await db
    .update(rateLimits)
    .set({ count: sql`greatest(${rateLimits.count} - 1, 0)`, notBefore: sql`now()` })
    .where(eq(rateLimits.key, key));
}
