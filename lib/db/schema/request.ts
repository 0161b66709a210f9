import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  bigserial,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { Finding } from "#lib/domain/finding.ts";
import type { Estimate, FrozenPlan, Receipt, RequestStatus, TargetChoice, TargetStatus } from "#lib/domain/request.ts";
import type { ErrorJson } from "#lib/errors.ts";
import { hosts } from "./host.ts";
import { imageVersions } from "./image.ts";
import { users } from "./user.ts";
import { cleanJson } from "./clean-columns.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const requests = pgTable(
  "requests",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    /** What people say aloud: "request 17". */
    number: bigserial("number", { mode: "number" }).notNull(),
    status: text("status").$type<RequestStatus>().notNull(),
    imageVersionId: uuid("image_version_id")
      .notNull()
      .references(() => imageVersions.id),
    requesterId: uuid("requester_id")
      .notNull()
      .references(() => users.id),
    note: text("note").notNull().default(""),
    idempotencyKey: uuid("idempotency_key").notNull(),
    /** Hex SHA-256 of what was asked under the key: another body under it is refused. Null: asked of an older version. */
    bodyHash: text("body_hash"),
    /** Asks again for what this one left. Null: it asks for the first time. */
    retryOf: uuid("retry_of").references((): AnyPgColumn => requests.id, { onDelete: "set null" }),
    plan: jsonb("plan").$type<FrozenPlan>().notNull(),
    planHash: text("plan_hash").notNull(),
    decision: text("decision").$type<"approved" | "denied" | "waived" | "cancelled">(),
    decidedBy: uuid("decided_by").references(() => users.id),
    decisionReason: text("decision_reason"),
    decidedAt: at("decided_at"),
    createdAt: at("created_at").notNull().defaultNow(),
    finishedAt: at("finished_at"),
  },
  (t) => [
    uniqueIndex("requests_number").on(t.number),
    uniqueIndex("requests_idempotency").on(t.requesterId, t.idempotencyKey),
    index("requests_status").on(t.status, t.number),
    // Of several clicks one asks again. After a denial it may be asked again once more.
    uniqueIndex("requests_retry_of").on(t.retryOf).where(sql`${t.status} <> 'denied'`),
  ],
);

export const requestTargets = pgTable(
  "request_targets",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    requestId: uuid("request_id")
      .notNull()
      .references(() => requests.id, { onDelete: "cascade" }),
    position: integer("position").notNull(),
    hostId: uuid("host_id")
      .notNull()
      .references(() => hosts.id),
    choice: jsonb("choice").$type<TargetChoice>().notNull(),
    findings: jsonb("findings").$type<Finding[]>().notNull(),
    estimate: jsonb("estimate").$type<Estimate>().notNull(),
    status: text("status").$type<TargetStatus>().notNull(),
    jobId: uuid("job_id"),
    /** UUID given to the VM, so that making it twice makes it once. */
    tag: uuid("tag").notNull().defaultRandom(),
    error: cleanJson("error").$type<ErrorJson>(),
    receipt: cleanJson("receipt").$type<Receipt>(),
    vmRef: text("vm_ref"),
    startedAt: at("started_at"),
    finishedAt: at("finished_at"),
  },
  (t) => [
    uniqueIndex("request_targets_position").on(t.requestId, t.position),
    index("request_targets_job").on(t.jobId),
  ],
);
