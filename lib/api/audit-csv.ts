import type { AuditEntry } from "#lib/domain/audit.ts";

export const AUDIT_COLUMNS = [
  "seq",
  "at",
  "actor",
  "actor_id",
  "role",
  "via",
  "address",
  "action",
  "subject_kind",
  "subject_id",
  "subject",
  "result",
  "details",
  "prev_hash",
  "hash",
  "key_id",
  "mac",
] as const;

/**
 * What a spreadsheet begins a formula with, full-width and small forms included (East Asian versions take them for the
 * plain ones), also behind blanks that an import leaves out; and the control characters that hide one.
 */
const FORMULA = /^(?:[\t\r\n]|[\s\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b])/u;

/** RFC 4180; a cell that a spreadsheet would run as a formula gets an apostrophe before it. */
export function csvCell(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  const harmless = typeof value === "string" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export function auditCsvLine(entry: AuditEntry): string {
  const cells = [
    entry.seq,
    entry.at,
    entry.actor.name,
    entry.actor.id,
    entry.actor.role,
    entry.via,
    entry.address,
    entry.action,
    entry.subject.kind,
    entry.subject.id,
    entry.subject.name,
    entry.result,
    JSON.stringify(entry.details),
    entry.prevHash,
    entry.hash,
    entry.keyId,
    entry.mac,
  ];
  return `${cells.map(csvCell).join(",")}\r\n`;
}
