/** Browser sessions as rows: they end at sign-out, by being idle, by age, and with whatever ends the person's access. */
import { and, asc, desc, eq, gt, inArray, isNull, lt, ne, sql, type SQL } from "drizzle-orm";
import type { Db, Tx } from "#lib/db/client.ts";
import { apiTokens, sessions, users } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

export type SessionRow = typeof sessions.$inferSelect;
type UserRow = typeof users.$inferSelect;

export interface SessionLimits {
  readonly idleSeconds: number;
  readonly maxSeconds: number;
}

/** SUPRAVISOR_SESSION_IDLE_HOURS and SUPRAVISOR_SESSION_MAX_HOURS. Throws `server.bad-session-hours`. */
export function sessionLimits(env: Readonly<Record<string, string | undefined>>): SessionLimits {
  const hours = (name: string, usual: number): number => {
    const text = env[name];
    const value = text === undefined || text === "" ? usual : Number(text);
    if (value > 0 && value <= 24 * 365) return value;
    throw new AppError("invalid", "server.bad-session-hours", `${name} is no number of hours.`, {
      hint: "Give a number above 0 and at most 8760.",
    });
  };
  return {
    idleSeconds: Math.round(hours("SUPRAVISOR_SESSION_IDLE_HOURS", 12) * 3600),
    maxSeconds: Math.round(hours("SUPRAVISOR_SESSION_MAX_HOURS", 7 * 24) * 3600),
  };
}

const STALE_SEEN_MS = 60_000;
const KEPT_DAYS = 30;
/** More browsers than anybody has; beyond it the one that was used least recently is signed out. */
const MOST_SESSIONS = 50;

/** Sessions that count now. */
export function aliveSession({ idleSeconds }: SessionLimits): SQL | undefined {
  return and(
    isNull(sessions.endedAt),
    gt(sessions.expiresAt, sql`now()`),
    gt(sessions.lastSeenAt, sql`now() - make_interval(secs => ${idleSeconds})`),
  );
}

/**
 * The account as it was when its password was checked, held to the end of the transaction. Whoever ends an account's
 * access changes or locks the same row, so nothing is made for it behind their back. Throws `auth.access-changed`.
 */
export async function holdAccount(tx: Tx, user: Pick<UserRow, "id" | "passwordHash">): Promise<UserRow> {
  const [now] = await tx.select().from(users).where(eq(users.id, user.id)).for("update");
  if (now !== undefined && !now.disabled && now.passwordHash === user.passwordHash) return now;
  throw new AppError("unauthenticated", "auth.access-changed", "The account was changed in the meantime.", {
    hint: "Sign in again.",
  });
}

export async function startSession(
  db: Db,
  limits: SessionLimits,
  user: UserRow,
  how: SessionRow["how"],
  address: string | null,
): Promise<string> {
  return db.transaction(async (tx) => {
    await holdAccount(tx, user);
    await tx
      .delete(sessions)
      .where(
        and(eq(sessions.userId, user.id), lt(sessions.lastSeenAt, sql`now() - make_interval(days => ${KEPT_DAYS})`)),
      );
    const alive = await tx
      .select({ id: sessions.id })
      .from(sessions)
      .where(and(eq(sessions.userId, user.id), aliveSession(limits)))
      .orderBy(asc(sessions.lastSeenAt));
    for (const { id } of alive.slice(0, Math.max(0, alive.length - MOST_SESSIONS + 1)))
      await tx.update(sessions).set({ endedAt: new Date() }).where(eq(sessions.id, id));
    const [made] = await tx
      .insert(sessions)
      .values({ userId: user.id, how, address, expiresAt: sql`now() + make_interval(secs => ${limits.maxSeconds})` })
      .returning({ id: sessions.id });
    if (made === undefined) throw new Error("insert answered without a row");
    return made.id;
  });
}

/** The person behind a session that still counts, and that is used now. */
export async function userOfSession(db: Db, limits: SessionLimits, id: string): Promise<UserRow | null> {
  const [row] = await db
    .select({ user: users, lastSeenAt: sessions.lastSeenAt })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(and(eq(sessions.id, id), aliveSession(limits), eq(users.disabled, false)));
  if (row === undefined) return null;
  if (Date.now() - row.lastSeenAt.getTime() > STALE_SEEN_MS) {
    const update = db
      .update(sessions)
      .set({ lastSeenAt: sql`now()` })
      .where(and(eq(sessions.id, id), isNull(sessions.endedAt)));
    // Best effort: who may read can read, also while the database takes no writes.
    await update.catch(() => undefined);
  }
  return row.user;
}

export async function listSessions(db: Db, limits: SessionLimits, userId: string): Promise<SessionRow[]> {
  return db
    .select()
    .from(sessions)
    .where(and(eq(sessions.userId, userId), aliveSession(limits)))
    .orderBy(desc(sessions.lastSeenAt));
}

export interface WhichSessions {
  readonly only?: string;
  readonly except?: string;
}

/** Answers how many ended. */
export async function endSessions(tx: Tx, userId: string, { only, except }: WhichSessions = {}): Promise<number> {
  const ended = await tx
    .update(sessions)
    .set({ endedAt: new Date() })
    .where(
      and(
        eq(sessions.userId, userId),
        isNull(sessions.endedAt),
        only === undefined ? undefined : eq(sessions.id, only),
        except === undefined ? undefined : ne(sessions.id, except),
      ),
    )
    .returning({ id: sessions.id });
  return ended.length;
}

/** Tokens that count now. */
export const aliveToken = (): SQL | undefined => and(isNull(apiTokens.revokedAt), gt(apiTokens.expiresAt, sql`now()`));

/** Answers those that were revoked. Ones that had expired are marked too: nothing revives them. */
export async function revokeTokens(tx: Tx, userId: string, only?: string): Promise<(typeof apiTokens.$inferSelect)[]> {
  return tx
    .update(apiTokens)
    .set({ revokedAt: new Date() })
    .where(
      and(
        eq(apiTokens.userId, userId),
        isNull(apiTokens.revokedAt),
        only === undefined ? undefined : eq(apiTokens.id, only),
      ),
    )
    .returning();
}

/** For work that goes on under one for longer than a request should, milliseconds between two looks. */
export const STILL_ALIVE_EVERY_MS = 3000;

/** Whether this session or token still counts. */
export async function isStillAlive(
  db: Db,
  limits: SessionLimits,
  { kind, id }: { readonly kind: "session" | "token"; readonly id: string },
): Promise<boolean> {
  const ids = kind === "session" ? { sessions: [id], tokens: [] } : { sessions: [], tokens: [id] };
  return (await stillAlive(db, limits, ids)).has(id);
}

/** Which of these sessions and tokens still count, asked for many at a time. */
export async function stillAlive(
  db: Db,
  limits: SessionLimits,
  ids: { readonly sessions: readonly string[]; readonly tokens: readonly string[] },
): Promise<ReadonlySet<string>> {
  const enabled = eq(users.disabled, false);
  const found = await Promise.all([
    ids.sessions.length === 0
      ? []
      : db
          .select({ id: sessions.id })
          .from(sessions)
          .innerJoin(users, eq(users.id, sessions.userId))
          .where(and(inArray(sessions.id, [...ids.sessions]), aliveSession(limits), enabled)),
    ids.tokens.length === 0
      ? []
      : db
          .select({ id: apiTokens.id })
          .from(apiTokens)
          .innerJoin(users, eq(users.id, apiTokens.userId))
          .where(and(inArray(apiTokens.id, [...ids.tokens]), aliveToken(), enabled)),
  ]);
  return new Set(found.flat().map(({ id }) => id));
}
