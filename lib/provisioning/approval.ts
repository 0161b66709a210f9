/**
 * The approval as the audit trail has it. Whoever can write to the database can change a plan and its hash, and can add
 * rows to the trail, but cannot make the MAC of an entry, which covers what it says, its number and its predecessor.
 */
import { and, desc, eq, inArray } from "drizzle-orm";
import { GENESIS, hashEntry } from "#lib/audit/entry.ts";
import { auditKeysOf } from "#lib/audit/keys.ts";
import type { Db } from "#lib/db/client.ts";
import { auditEntries } from "#lib/db/schema.ts";
import type { AuditAction } from "#lib/domain/audit-actions.ts";

const APPROVALS: readonly AuditAction[] = ["request.approved", "request.approval-waived"];
/** What ends a request: an approval before it counts no more. */
const ENDS: readonly AuditAction[] = ["request.denied", "request.cancelled"];

/** Whether the last decision in the trail, made by this installation and in its place, approved a plan of this hash. */
export async function isApproved(db: Db, requestId: string, planHash: string): Promise<boolean> {
  const [found] = await db
    .select()
    .from(auditEntries)
    .where(
      and(
        eq(auditEntries.subjectKind, "request"),
        eq(auditEntries.subjectId, requestId),
        inArray(auditEntries.action, [...APPROVALS, ...ENDS]),
        eq(auditEntries.result, "ok"),
      ),
    )
    .orderBy(desc(auditEntries.seq))
    .limit(1);
  if (found === undefined || !APPROVALS.some((action) => action === found.action)) return false;
  const { hash, mac, ...entry } = found;
  const keys = auditKeysOf(db);
  return (
    entry.details["planHash"] === planHash &&
    entry.keyId === keys.id &&
    hashEntry(entry) === hash &&
    keys.fits(hash, mac) &&
    (await isInPlace(db, found))
  );
}

/** Its neighbours in the chain know it: it was neither added beside the chain nor put over another entry. */
async function isInPlace(db: Db, { seq, hash, prevHash }: typeof auditEntries.$inferSelect): Promise<boolean> {
  const around = await db
    .select({ seq: auditEntries.seq, hash: auditEntries.hash, prevHash: auditEntries.prevHash })
    .from(auditEntries)
    .where(inArray(auditEntries.seq, [seq - 1, seq + 1]));
  const before = around.find((row) => row.seq === seq - 1);
  const after = around.find((row) => row.seq === seq + 1);
  if (prevHash !== (seq === 1 ? GENESIS : before?.hash)) return false;
  return after === undefined || after.prevHash === hash;
}
