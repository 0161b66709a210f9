import { and, count, desc, eq, ilike, inArray, sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { pageCursor, readPageCursor } from "#lib/db/page-cursor.ts";
import type { Tx } from "#lib/db/client.ts";
import { jobLog, jobs, requestTargets } from "#lib/db/schema.ts";
import { ACTIVE_JOB_STATES, ENDED_JOB_STATES } from "#lib/domain/job.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import { withoutResult } from "#lib/jobs/handler.ts";
import { patiently } from "#lib/jobs/patience.ts";
import { endVersion } from "#lib/library/version-state.ts";
import { followJob } from "#lib/provisioning/repair.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

type JobRow = typeof jobs.$inferSelect;

export interface JobFilter {
  readonly state: "active" | "finished" | "all";
  readonly subjectKind?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly q?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

const LOG_LINES = 500;

const LIST = "jobs";
/** The database's own text of the time: ours is rounded. */
const Place = z.tuple([
  z.string().regex(/^\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d){0,2}$/),
  z.uuid(),
]);

/** Newest first. Throws `list.bad-cursor`. */
export async function listJobs(
  ctx: Ctx,
  filter: JobFilter,
): Promise<{ rows: JobRow[]; next: string | null; total: number }> {
  await authorise(ctx, "job.read");
  const where: (SQL | undefined)[] = [
    filter.state === "all"
      ? undefined
      : inArray(jobs.state, filter.state === "active" ? [...ACTIVE_JOB_STATES] : [...ENDED_JOB_STATES]),
    filter.subjectKind === undefined ? undefined : eq(jobs.subjectKind, filter.subjectKind as JobRow["subjectKind"]),
    filter.subjectId === undefined ? undefined : eq(jobs.subjectId, filter.subjectId),
    filter.q === undefined ? undefined : ilike(jobs.title, `%${filter.q.replace(/[\\%_]/g, "\\$&")}%`),
  ];
  const place = readPageCursor(LIST, Place, filter.cursor);
  const after =
    place === undefined
      ? undefined
      : sql`(${jobs.createdAt}, ${jobs.id}) < (${place[0]}::timestamptz, ${place[1]}::uuid)`;
  const rows = await ctx.db
    .select({ row: jobs, createdAt: sql<string>`${jobs.createdAt}::text` })
    .from(jobs)
    .where(and(...where, after))
    .orderBy(desc(jobs.createdAt), desc(jobs.id))
    .limit(filter.limit + 1);
  const [total] = await ctx.db
    .select({ n: count() })
    .from(jobs)
    .where(and(...where));
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  return {
    rows: page.map(({ row }) => row),
    next: rows.length > filter.limit && last !== undefined ? pageCursor(LIST, [last.createdAt, last.row.id]) : null,
    total: total?.n ?? 0,
  };
}

export async function getJob(ctx: Ctx, id: string): Promise<{ row: JobRow; log: (typeof jobLog.$inferSelect)[] }> {
  await authorise(ctx, "job.read");
  const [row] = await ctx.db.select().from(jobs).where(eq(jobs.id, id));
  if (row === undefined) throw new AppError("not-found", "job.not-found", "There is no such job.");
  const newest = await ctx.db
    .select()
    .from(jobLog)
    .where(eq(jobLog.jobId, id))
    .orderBy(desc(jobLog.seq))
    .limit(LOG_LINES);
  return { row, log: newest.reverse() };
}

/** Asking twice is asking once. Throws `job.ended` when there is nothing left to cancel. */
export async function cancelJob(ctx: Ctx, id: string): Promise<void> {
  await authorise(ctx, "job.cancel", { subject: { kind: "job", id, name: "" } });
  const cancel = async (tx: Tx): Promise<JobRow> => {
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, id));
    if (job === undefined) throw new AppError("not-found", "job.not-found", "There is no such job.");
    if (!(await ctx.jobs.requestCancel(tx, id, ctx.actor))) {
      throw new AppError("conflict", "job.ended", `“${job.title}” has ended already.`);
    }
    const [now] = await tx.select().from(jobs).where(eq(jobs.id, id));
    const targets = await tx.select().from(requestTargets).where(eq(requestTargets.jobId, id));
    for (const target of targets) await followJob(tx, target);
    if (now?.state === "cancelled")
      await endVersion(tx, now, { state: "cancelled", error: errorToJson(withoutResult(now)) });
    if (job.state !== "cancelling") {
      await appendAudit(tx, ctx.actor, {
        action: "job.cancel-requested",
        subject: { kind: "job", id, name: job.title },
      });
    }
    return job;
  };
  const row = await patiently(() => ctx.db.transaction(cancel));
  ctx.events.publish({ type: "job", id });
  if (row.subjectKind === "image") ctx.events.publish({ type: "image", id: row.subjectId });
  if (row.subjectKind === "request") ctx.events.publish({ type: "request", id: row.subjectId });
  ctx.events.publish({ type: "audit" });
}
