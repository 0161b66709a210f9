import { bigint, index, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

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
  },
  (t) => [
    index("audit_entries_at").on(t.at),
    index("audit_entries_action").on(t.action, t.seq),
    index("audit_entries_actor").on(t.actorId, t.seq),
    index("audit_entries_subject").on(t.subjectKind, t.subjectId, t.seq),
  ],
);
