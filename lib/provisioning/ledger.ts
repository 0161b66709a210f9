/** What jobs made outside of the database. Entered before it is made; only what stands here is ever removed. */
import { and, asc, desc, eq, inArray, notInArray, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { ledger } from "#lib/db/schema.ts";
import type { HypervisorAdapter, ResourceRef } from "#lib/hypervisor/adapter.ts";
import { patiently } from "#lib/jobs/patience.ts";

export type LedgerEntry = typeof ledger.$inferSelect;

const OPEN = inArray(ledger.state, ["planned", "made"]);

/** Before the thing is made; again is the same entry. Answers with its number. */
export async function enter(db: Db, jobId: string, hostId: string, resource: ResourceRef): Promise<number> {
  const [known] = await db
    .select({ seq: ledger.seq })
    .from(ledger)
    .where(
      and(
        eq(ledger.jobId, jobId),
        eq(ledger.hostId, hostId),
        eq(ledger.kind, resource.kind),
        eq(ledger.ref, resource.ref),
        OPEN,
      ),
    )
    .limit(1);
  if (known !== undefined) return known.seq;
  const [row] = await db
    .insert(ledger)
    .values({ jobId, hostId, kind: resource.kind, ref: resource.ref, label: resource.label })
    .returning({ seq: ledger.seq });
  if (row === undefined) throw new Error("insert answered without a row");
  return row.seq;
}

export async function markMade(db: Db, seq: number): Promise<void> {
  await db
    .update(ledger)
    .set({ state: "made", updatedAt: sql`now()` })
    .where(and(eq(ledger.seq, seq), eq(ledger.state, "planned")));
}

/** The same for several, beside other work: it never fails, since what is only planned is removed as well. */
export async function markMadeAside(db: Db, seqs: readonly number[]): Promise<void> {
  await Promise.allSettled(seqs.map((seq) => patiently(() => markMade(db, seq))));
}

/** The job has succeeded: what it made belongs to the user, `but` for some. In the transaction that says so. */
export async function keepAll(tx: Db, jobId: string, but: readonly number[]): Promise<void> {
  await tx
    .update(ledger)
    .set({ state: "kept", updatedAt: sql`now()` })
    .where(and(eq(ledger.jobId, jobId), OPEN, but.length === 0 ? undefined : notInArray(ledger.seq, [...but])));
}

/** What may still be out there for a job on a host, newest first. */
export async function openEntries(db: Db, jobId: string, hostId: string): Promise<LedgerEntry[]> {
  return db
    .select()
    .from(ledger)
    .where(and(eq(ledger.jobId, jobId), eq(ledger.hostId, hostId), OPEN))
    .orderBy(desc(ledger.seq));
}

/** Those of the entries that are still open, newest first. */
export async function entriesOf(db: Db, seqs: readonly number[]): Promise<LedgerEntry[]> {
  if (seqs.length === 0) return [];
  return db
    .select()
    .from(ledger)
    .where(and(inArray(ledger.seq, [...seqs]), OPEN))
    .orderBy(desc(ledger.seq));
}

export interface UndoOutcome {
  readonly removed: readonly LedgerEntry[];
  /** What could not be removed, and why. */
  readonly left: readonly { readonly entry: LedgerEntry; readonly error: unknown }[];
}

/** Last to first. One that fails does not keep the others from being removed. Throws the database's errors. */
export async function undoEntries(
  db: Db,
  entries: readonly LedgerEntry[],
  adapter: Pick<HypervisorAdapter, "remove">,
  signal: AbortSignal,
): Promise<UndoOutcome> {
  const removed: LedgerEntry[] = [];
  const left: { entry: LedgerEntry; error: unknown }[] = [];
  for (const entry of entries) {
    if (entry.kind === "file") continue;
    try {
      await adapter.remove({ kind: entry.kind, ref: entry.ref, label: entry.label }, signal);
    } catch (error) {
      left.push({ entry, error });
      continue;
    }
    await patiently(() =>
      db.update(ledger).set({ state: "removed", updatedAt: sql`now()` }).where(eq(ledger.seq, entry.seq)),
    );
    removed.push(entry);
  }
  return { removed, left };
}

/** Open entries on hosts, oldest first: for the sweep. */
export async function allOpenEntries(db: Db): Promise<LedgerEntry[]> {
  return db
    .select()
    .from(ledger)
    .where(and(OPEN, inArray(ledger.kind, ["disk", "vm", "snapshot"])))
    .orderBy(asc(ledger.seq));
}
