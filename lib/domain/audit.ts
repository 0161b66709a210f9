/** The audit trail: append-only, chained by hash so that a missing or altered entry shows. */
import { z } from "zod";

export const AuditEntry = z.object({
  seq: z.number().int(),
  at: z.string(),
  actor: z.object({ id: z.string().nullable(), name: z.string(), role: z.string().nullable() }),
  via: z.enum(["web", "token", "system"]),
  address: z.string().nullable(),
  /** noun.verb in the past: `request.approved`. */
  action: z.string(),
  subject: z.object({ kind: z.string(), id: z.string().nullable(), name: z.string() }),
  result: z.enum(["ok", "refused", "failed"]),
  details: z.record(z.string(), z.unknown()),
  /** Hex SHA-256 over the previous hash and this entry's canonical JSON. */
  hash: z.string(),
});
export type AuditEntry = z.infer<typeof AuditEntry>;
