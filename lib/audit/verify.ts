import { asc, gt } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { GENESIS, hashEntry } from "./append.ts";

export interface AuditVerdict {
  readonly ok: boolean;
  readonly entries: number;
  /** Hash of the newest entry: written down elsewhere it proves later that nothing before it was changed. */
  readonly head: string;
  /** First entry that does not fit: altered, or its predecessor is missing. */
  readonly firstBad: number | null;
}

const BATCH = 1000;

/** Walks the whole chain from its beginning. */
export async function verifyAudit(db: Db): Promise<AuditVerdict> {
  let head = GENESIS;
  let seq = 0;
  for (;;) {
    const batch = await db
      .select()
      .from(auditEntries)
      .where(gt(auditEntries.seq, seq))
      .orderBy(asc(auditEntries.seq))
      .limit(BATCH);
    for (const { hash, ...entry } of batch) {
      if (entry.seq !== seq + 1 || entry.prevHash !== head || hashEntry(entry) !== hash) {
        return { ok: false, entries: seq, head, firstBad: entry.seq };
      }
      head = hash;
      seq = entry.seq;
    }
    if (batch.length < BATCH) return { ok: true, entries: seq, head, firstBad: null };
  }
}
