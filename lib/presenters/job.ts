import type { jobLog, jobs } from "#lib/db/schema.ts";
import type { Job, JobLogLine } from "#lib/domain/job.ts";

export function presentJob(row: typeof jobs.$inferSelect): Job {
  return {
    id: row.id,
    kind: row.kind,
    title: row.title,
    state: row.state,
    stages: row.stages,
    progress: row.progress,
    error: row.error,
    waiting: row.resumeAt === null ? null : row.waiting,
    subject: { kind: row.subjectKind, id: row.subjectId },
    attempt: row.attempt,
    worker: row.worker,
    createdBy: row.createdByName,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

export function presentLogLine(row: typeof jobLog.$inferSelect): JobLogLine {
  return { at: row.at.toISOString(), level: row.level, text: row.text };
}
