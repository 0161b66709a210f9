/**
 * The same act by the same person over and over: the first is written at once, the rest are counted in the database and
 * written as one entry with their number. A hundred refusals are two entries, and a crash loses none of them.
 */
import { createHash } from "node:crypto";
import { eq, lt, sql } from "drizzle-orm";
import { auditRepeats } from "#lib/db/schema.ts";
import type { Services } from "#lib/services/context.ts";
import { appendAudit, type AuditActor, type AuditFact } from "./append.ts";
import { canonicalJson } from "./canonical.ts";
import { storableDetails } from "./entry.ts";
import { auditKeysOf, type AuditKeys } from "./keys.ts";

type Needs = Pick<Services, "db" | "events" | "log">;

/** For how long repeats are counted before they are written. */
const INTERVAL_MS = 60_000;

/**
 * Same person, address and act. A MAC: the row becomes an entry of the trail later, so that nobody who can write to the
 * database may put one there.
 */
function keyOf(keys: AuditKeys, actor: Record<string, unknown>, fact: Record<string, unknown>): string {
  const hash = createHash("sha256")
    .update(canonicalJson([actor, fact]))
    .digest("hex");
  return keys.mac(`repeat ${hash}`);
}

/** In a transaction of its own. Call for what a person can do any number of times without changing anything. */
export async function recordRepeatable(services: Needs, actor: AuditActor, fact: AuditFact): Promise<void> {
  const { id, name, role, via, address } = actor;
  const who = storableDetails({ id, name, role, via, address });
  const what = storableDetails({ ...fact });
  const first = await services.db.transaction(async (tx) => {
    const [row] = await tx
      .insert(auditRepeats)
      .values({
        key: keyOf(auditKeysOf(tx), who, what),
        actor: who,
        fact: what,
        count: 0,
        since: sql`clock_timestamp()`,
        until: sql`clock_timestamp()`,
      })
      .onConflictDoUpdate({
        target: auditRepeats.key,
        set: { count: sql`${auditRepeats.count} + 1`, until: sql`clock_timestamp()` },
      })
      .returning({ count: auditRepeats.count });
    if (row?.count !== 0) return false;
    await appendAudit(tx, actor, fact);
    return true;
  });
  if (first) services.events.publish({ type: "audit" });
}

/** Writes what was counted for an interval. Any number of processes may do so at once: each count is written once. */
export async function writeRepeats(services: Needs, olderThanMs: number = INTERVAL_MS): Promise<void> {
  const old = sql`clock_timestamp() - make_interval(secs => ${olderThanMs / 1000})`;
  const due = await services.db.select({ key: auditRepeats.key }).from(auditRepeats).where(lt(auditRepeats.since, old));
  for (const { key } of due) await writeOne(services, key);
  if (due.length > 0) services.events.publish({ type: "audit" });
}

async function writeOne({ db, log }: Needs, key: string): Promise<void> {
  await db.transaction(async (tx) => {
    const [row] = await tx.delete(auditRepeats).where(eq(auditRepeats.key, key)).returning();
    if (row === undefined || row.count === 0) return;
    if (keyOf(auditKeysOf(tx), row.actor, row.fact) !== row.key) {
      log.error(
        { count: row.count },
        "a count of repeated acts was not made by this installation's key; it is left out",
      );
      return;
    }
    const fact = row.fact as unknown as AuditFact;
    await appendAudit(tx, row.actor as unknown as AuditActor, {
      ...fact,
      details: {
        ...fact.details,
        repeated: row.count,
        since: row.since.toISOString(),
        until: row.until.toISOString(),
      },
    });
  });
}
