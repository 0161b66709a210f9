/** The approval as the audit trail has it: who can write to the database can change a plan and its hash, but not the trail unseen. */
import { and, desc, eq, gt, inArray } from "drizzle-orm";
import { hashEntry } from "#lib/audit/append.ts";
import type { Db } from "#lib/db/client.ts";
import { auditEntries } from "#lib/db/schema.ts";

/** Whether an entry of the trail, intact and in its place, approved a plan of this hash or waived its approval. */
export async function isApproved(db: Db, requestId: string, planHash: string): Promise<boolean> {
  const [found] = await db
    .select()
    .from(auditEntries)
    .where(
      and(
        eq(auditEntries.subjectKind, "request"),
        eq(auditEntries.subjectId, requestId),
        inArray(auditEntries.action, ["request.approved", "request.approval-waived"]),
        eq(auditEntries.result, "ok"),
      ),
    )
    .orderBy(desc(auditEntries.seq))
    .limit(1);
  if (found === undefined) return false;
  const { hash, ...entry } = found;
  if (entry.details["planHash"] !== planHash || hashEntry(entry) !== hash) return false;
  const [next] = await db
    .select({ prevHash: auditEntries.prevHash })
    .from(auditEntries)
    .where(gt(auditEntries.seq, entry.seq))
    .orderBy(auditEntries.seq)
    .limit(1);
  return next === undefined || next.prevHash === hash;
}
