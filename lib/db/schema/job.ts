import { bigserial, index, integer, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { HostWait, Job, JobKind, JobState } from "#lib/domain/job.ts";
import type { Progress } from "#lib/domain/request.ts";
import type { ErrorJson } from "#lib/errors.ts";
import { cleanJson, cleanText } from "./clean-columns.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

/** What people see of a job. pg-boss keeps its own tables for queueing; `id` is the same in both. */
export const jobs = pgTable(
  "jobs",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    kind: text("kind").$type<JobKind>().notNull(),
    title: cleanText("title").notNull(),
    state: text("state").$type<JobState>().notNull().default("queued"),
    stages: cleanJson("stages").$type<Job["stages"]>().notNull().default([]),
    progress: cleanJson("progress").$type<Progress>(),
    error: cleanJson("error").$type<ErrorJson>(),
    subjectKind: text("subject_kind").$type<Job["subject"]["kind"]>().notNull(),
    subjectId: text("subject_id").notNull(),
    /** Input of the handler; identifiers only, never a secret. */
    input: jsonb("input").$type<Record<string, unknown>>().notNull(),
    attempt: integer("attempt").notNull().default(0),
    /** Who runs it; null again when that worker gave it back. */
    worker: text("worker"),
    /** How many workers died in the middle of it, one after another in the same stage. */
    crashes: integer("crashes").notNull().default(0),
    /** The stage in which they died; empty: between two. */
    crashStage: text("crash_stage"),
    /** The host that it works on: so many jobs at a time for one host. */
    hostId: uuid("host_id"),
    /** Set while it waits for a host, and until the host has shown that it is back. */
    waiting: jsonb("waiting").$type<HostWait>(),
    /** It lies aside until then at least; null: it is the queue's. */
    resumeAt: at("resume_at"),
    /** How many times a host went away under it. */
    interruptions: integer("interruptions").notNull().default(0),
    cancelRequestedAt: at("cancel_requested_at"),
    cancelRequestedBy: text("cancel_requested_by"),
    createdBy: uuid("created_by"),
    createdByName: text("created_by_name").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    startedAt: at("started_at"),
    finishedAt: at("finished_at"),
  },
  (t) => [index("jobs_state").on(t.state, t.createdAt), index("jobs_subject").on(t.subjectKind, t.subjectId)],
);

export const jobLog = pgTable(
  "job_log",
  {
    seq: bigserial("seq", { mode: "number" }).primaryKey(),
    jobId: uuid("job_id")
      .notNull()
      .references(() => jobs.id, { onDelete: "cascade" }),
    at: at("at").notNull().defaultNow(),
    level: text("level").$type<"info" | "warn" | "error">().notNull(),
    text: cleanText("text").notNull(),
  },
  (t) => [index("job_log_job").on(t.jobId, t.seq)],
);

/**
 * Everything that a job makes outside the database, entered before it is made. Undo walks it last to first;
 * nothing that is not in it is ever removed.
 */
export const ledger = pgTable(
  "ledger",
  {
    seq: bigserial("seq", { mode: "number" }).primaryKey(),
    jobId: uuid("job_id")
      .notNull()
      .references(() => jobs.id),
    /** Null: a file on this side (`kind` file). */
    hostId: uuid("host_id"),
    kind: text("kind").$type<"disk" | "vm" | "snapshot" | "file">().notNull(),
    ref: text("ref").notNull(),
    label: cleanText("label").notNull(),
    /** planned: may or may not exist; made: exists; kept: belongs to the user now; removed: undone. */
    state: text("state").$type<"planned" | "made" | "kept" | "removed">().notNull().default("planned"),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [index("ledger_job").on(t.jobId, t.seq), index("ledger_state").on(t.state)],
);

export const workers = pgTable("workers", {
  id: uuid("id").primaryKey(),
  name: text("name").notNull(),
  version: text("version").notNull(),
  startedAt: at("started_at").notNull().defaultNow(),
  /** By the database's clock, as every time that is compared. */
  heartbeatAt: at("heartbeat_at").notNull().defaultNow(),
  /** What the worker's own clock said then. */
  clockAt: at("clock_at"),
});
