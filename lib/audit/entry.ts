/** One entry of the trail: what its hash covers, in which form. docs/audit.md describes the same for others. */
import { createHash } from "node:crypto";
import type { auditEntries } from "#lib/db/schema.ts";
import { canonicalJson } from "./canonical.ts";

export type AuditRow = typeof auditEntries.$inferSelect;

/** `prevHash` of the first entry. */
export const GENESIS = "0".repeat(64);

/** Everything but the hash and the MAC over it. */
export type HashedEntry = Omit<AuditRow, "hash" | "mac">;

/** Entries from before there were keys have no `keyId` in their canonical form. */
export function hashEntry(entry: HashedEntry): string {
  const { seq, at, actorId, actorName, actorRole, via, address, action, result, details, prevHash, keyId } = entry;
  const { subjectKind, subjectId, subjectName } = entry;
  const covered = {
    ...{ seq, at: at.toISOString(), actorId, actorName, actorRole, via, address, action },
    ...{ subjectKind, subjectId, subjectName, result, details, prevHash },
    ...(keyId === null ? {} : { keyId }),
  };
  return createHash("sha256").update(canonicalJson(covered)).digest("hex");
}

/** Text as Postgres keeps it: no NUL, no half of a surrogate pair. Names come from people; the chain must hold anyway. */
export function storable(text: string): string {
  return text.replaceAll("\0", "").toWellFormed();
}

/** Through JSON once, as the database will give it back: undefined and dates would hash differently. */
export function storableDetails(details: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(details), (_, value: unknown) => {
    if (typeof value === "string") return storable(value);
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [storable(key), item]));
  }) as Record<string, unknown>;
}
