/** The audit trail: append-only, chained by hash and sealed by a key so that a missing, altered or forged entry shows. */
import { z } from "zod";

export const AuditEntry = z.object({
  seq: z.number().int(),
  at: z.string(),
  actor: z.object({ id: z.string().nullable(), name: z.string(), role: z.string().nullable() }),
  via: z.enum(["web", "token", "system"]),
  address: z.string().nullable(),
  /** noun.verb in the past: `request.approved`; lib/domain/audit-actions.ts lists them. */
  action: z.string(),
  subject: z.object({ kind: z.string(), id: z.string().nullable(), name: z.string() }),
  result: z.enum(["ok", "refused", "failed"]),
  details: z.record(z.string(), z.unknown()),
  /** `hash` of the entry before; 64 zeros in the first. */
  prevHash: z.string(),
  /** Hex SHA-256 over this entry's canonical JSON, `prevHash` included. */
  hash: z.string(),
  /** Which key made `mac`; null in entries of older versions. */
  keyId: z.string().nullable(),
  /** Hex HMAC-SHA256 over the hash. */
  mac: z.string().nullable(),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

/** What does not fit at an entry. docs/audit.md says what each may mean. */
export const AuditProblem = z.object({
  seq: z.number().int(),
  kind: z.enum([
    "missing-before",
    "does-not-follow",
    "altered",
    "forged",
    "not-sealed",
    "not-the-head",
    "cut-off",
    "cut-off-recorded",
  ]),
});
export type AuditProblem = z.infer<typeof AuditProblem>;

export const AuditVerdict = z.object({
  ok: z.boolean(),
  entries: z.number().int(),
  /** Hash of the newest entry. */
  head: z.string(),
  /** First entry that does not fit. */
  firstBad: z.number().int().nullable(),
  problems: z.array(AuditProblem),
  /** This installation's key. */
  keyId: z.string(),
  /** First entry with a MAC of this key; null: there is none. */
  macFrom: z.number().int().nullable(),
  /** Entries from before there were keys: their hashes fit, and no more is known. */
  keyless: z.number().int(),
  /** Stretches that other keys made: not verifiable with the present key, which is not the same as forged. */
  otherKeys: z.array(z.object({ keyId: z.string(), from: z.number().int(), to: z.number().int() })),
  /** What was compared with the heads kept outside the database. */
  heads: z.object({
    checked: z.number().int(),
    unreadable: z.number().int(),
    newest: z.number().int().nullable(),
  }),
});
export type AuditVerdict = z.infer<typeof AuditVerdict>;
