/** Writes the audit trail. Always inside the transaction of the change that it tells of. */
import { createHash } from "node:crypto";
import { desc, sql } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { canonicalJson } from "./canonical.ts";

export interface AuditActor {
  readonly id: string | null;
  readonly name: string;
  readonly role: string | null;
  readonly via: "web" | "token" | "system";
  readonly address: string | null;
}

export interface AuditFact {
  /** noun.verb in the past: `request.approved`. */
  readonly action: string;
  readonly subject: { readonly kind: string; readonly id: string | null; readonly name: string };
  readonly result?: "ok" | "refused" | "failed";
  /** JSON values; never a secret. */
  readonly details?: Record<string, unknown>;
}

export const GENESIS = "0".repeat(64);
/** Entries are chained, so they are written one at a time whatever runs beside. */
const AUDIT_LOCK = 7_245_002;

/** What the hash of an entry covers: everything but the hash itself. */
export type HashedEntry = Omit<typeof auditEntries.$inferSelect, "hash">;

export function hashEntry(entry: HashedEntry): string {
  return createHash("sha256")
    .update(canonicalJson({ ...entry, at: entry.at.toISOString() }))
    .digest("hex");
}

/** Text as Postgres keeps it: no NUL, no half of a surrogate pair. Names come from people; the chain must hold anyway. */
function storable(text: string): string {
  return text.replaceAll("\0", "").toWellFormed();
}

export async function appendAudit(tx: Tx, actor: AuditActor, fact: AuditFact): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${AUDIT_LOCK})`);
  const [last] = await tx
    .select({ seq: auditEntries.seq, hash: auditEntries.hash })
    .from(auditEntries)
    .orderBy(desc(auditEntries.seq))
    .limit(1);
  const entry: HashedEntry = {
    seq: (last?.seq ?? 0) + 1,
    at: new Date(),
    actorId: actor.id,
    actorName: storable(actor.name),
    actorRole: actor.role,
    via: actor.via,
    address: actor.address,
    action: fact.action,
    subjectKind: fact.subject.kind,
    subjectId: fact.subject.id,
    subjectName: storable(fact.subject.name),
    result: fact.result ?? "ok",
    // Through JSON once, as the database will give it back: undefined and dates would hash differently.
    details: JSON.parse(JSON.stringify(fact.details ?? {}), (_, value: unknown) =>
      typeof value === "string" ? storable(value) : value,
    ) as Record<string, unknown>,
    prevHash: last?.hash ?? GENESIS,
  };
  await tx.insert(auditEntries).values({ ...entry, hash: hashEntry(entry) });
}
