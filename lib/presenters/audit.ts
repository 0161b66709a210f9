import type { auditEntries } from "#lib/db/schema.ts";
import type { AuditEntry } from "#lib/domain/audit.ts";

export function presentAudit(row: typeof auditEntries.$inferSelect): AuditEntry {
  return {
    seq: row.seq,
    at: row.at.toISOString(),
    actor: { id: row.actorId, name: row.actorName, role: row.actorRole },
    via: row.via,
    address: row.address,
    action: row.action,
    subject: { kind: row.subjectKind, id: row.subjectId, name: row.subjectName },
    result: row.result,
    details: row.details,
    prevHash: row.prevHash,
    hash: row.hash,
    keyId: row.keyId,
    mac: row.mac,
  };
}
