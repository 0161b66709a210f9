import { bigint, index, integer, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE (drizzle/, custom migration). */
export const auditEntries = pgTable(
  "audit_entries",
  {
    /** Gapless, given inside the transaction under an advisory lock. */
    seq: bigint("seq", { mode: "number" }).primaryKey(),
    at: timestamp("at", { withTimezone: true, mode: "date" }).notNull(),
    actorId: text("actor_id"),
    actorName: text("actor_name").notNull(),
    actorRole: text("actor_role"),
    via: text("via").$type<"web" | "token" | "system">().notNull(),
    address: text("address"),
    action: text("action").notNull(),
    subjectKind: text("subject_kind").notNull(),
    subjectId: text("subject_id"),
    subjectName: text("subject_name").notNull(),
    result: text("result").$type<"ok" | "refused" | "failed">().notNull(),
    details: jsonb("details").$type<Record<string, unknown>>().notNull(),
    prevHash: text("prev_hash").notNull(),
    hash: text("hash").notNull(),
    /** Which key made `mac`; both are null in entries that an older version wrote. */
    keyId: text("key_id"),
    /** Hex HMAC over the hash: only the installation's key makes it. */
    mac: text("mac"),
  },
  (t) => [
    index("audit_entries_at").on(t.at),
    index("audit_entries_action").on(t.action, t.seq),
    index("audit_entries_actor").on(t.actorId, t.seq),
    index("audit_entries_subject").on(t.subjectKind, t.subjectId, t.seq),
  ],
);

/**
 * The same act by the same person again and again: the first is in the trail, the rest are counted here until they are
 * written there as one entry with their number.
 */
export const auditRepeats = pgTable("audit_repeats", {
  /** Hash of who, what, to what and from where. */
  key: text("key").primaryKey(),
  actor: jsonb("actor").$type<Record<string, unknown>>().notNull(),
  fact: jsonb("fact").$type<Record<string, unknown>>().notNull(),
  /** Since the last entry in the trail. */
  count: integer("count").notNull(),
  since: timestamp("since", { withTimezone: true, mode: "date" }).notNull(),
  until: timestamp("until", { withTimezone: true, mode: "date" }).notNull(),
});
