/** Writes the audit trail. Always inside the transaction of the change that it tells of. */
import { sql } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { auditEntries } from "#lib/db/schema.ts";
import type { AuditAction, AuditSubject } from "#lib/domain/audit-actions.ts";
import { GENESIS, hashEntry, storable, storableDetails, type HashedEntry } from "./entry.ts";
import { auditKeysOf } from "./keys.ts";
import { ADVISORY_LOCKS } from "#lib/db/advisory-locks.ts";

export { GENESIS, hashEntry } from "./entry.ts";

export interface AuditActor {
  readonly id: string | null;
  readonly name: string;
  readonly role: string | null;
  readonly via: "web" | "token" | "system";
  readonly address: string | null;
}

export interface AuditFact {
  readonly action: AuditAction;
  readonly subject: { readonly kind: AuditSubject; readonly id: string | null; readonly name: string };
  readonly result?: "ok" | "refused" | "failed";
  /** JSON values; never a secret. */
  readonly details?: Record<string, unknown>;
}

/** The end of the chain and the database's own time, which is one for all consoles on it. Milliseconds, as they are hashed. */
async function chainEnd(tx: Tx): Promise<{ seq: number; hash: string; at: Date }> {
  const { rows } = (await tx.execute(sql`
    select (extract(epoch from clock_timestamp()) * 1000)::bigint as now, last.seq, last.hash
    from (select 1) one left join (
      select ${auditEntries.seq} as seq, ${auditEntries.hash} as hash from ${auditEntries} order by ${auditEntries.seq} desc limit 1
    ) last on true`)) as unknown as {
    rows: { now: string | number; seq: string | number | null; hash: string | null }[];
  };
  const row = rows[0];
  if (row === undefined) throw new Error("the database answered without a row");
  return { seq: Number(row.seq ?? 0), hash: row.hash ?? GENESIS, at: new Date(Number(row.now)) };
}

export async function appendAudit(tx: Tx, actor: AuditActor, fact: AuditFact): Promise<void> {
  const keys = auditKeysOf(tx);
  await tx.execute(sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.audit})`);
  const last = await chainEnd(tx);
  const orNull = (text: string | null): string | null => (text === null ? null : storable(text));
  const entry: HashedEntry = {
    seq: last.seq + 1,
    at: last.at,
    actorId: orNull(actor.id),
    actorName: storable(actor.name),
    actorRole: orNull(actor.role),
    via: actor.via,
    address: orNull(actor.address),
    action: fact.action,
    subjectKind: fact.subject.kind,
    subjectId: orNull(fact.subject.id),
    subjectName: storable(fact.subject.name),
    result: fact.result ?? "ok",
    details: storableDetails(fact.details ?? {}),
    prevHash: last.hash,
    keyId: keys.id,
  };
  const hash = hashEntry(entry);
  await tx.insert(auditEntries).values({ ...entry, hash, mac: keys.mac(hash) });
}
