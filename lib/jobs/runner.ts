/**
 * Takes jobs from the queue and runs their handlers. A job whose worker died is taken up again by whoever is
 * there; its handler sees a higher `attempt` and first removes what the earlier one had made.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { and, eq, inArray, notInArray, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { jobs, workers } from "#lib/db/schema.ts";
import { JOB_KINDS, type JobKind } from "#lib/domain/job.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import { productVersion } from "#lib/version.ts";
import type { Services } from "#lib/services/context.ts";
import { jobRecord, type JobRecord } from "./job-record.ts";
import type { OpenJobQueue } from "./queue.ts";

export interface JobIO extends Omit<JobRecord, "flush"> {
  readonly jobId: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly input: Record<string, unknown>;
  /** Aborts with `job.cancelled` when somebody cancels, with `worker.stopping` when this worker goes. */
  readonly signal: AbortSignal;
  readonly services: Services;
}

export type JobHandler = (io: JobIO) => Promise<void>;

export interface Runner {
  /** Stops taking jobs; running ones are told, and left for another worker if they do not end in time. */
  close(): Promise<void>;
}

/** How often a running job looks whether somebody wants it to stop. */
const CANCEL_POLL_MS = 700;
const WORKER_BEAT_MS = 5000;
const CLOSE_MS = 10_000;
const FINISHED = ["succeeded", "failed", "cancelled"] as const;

export async function startRunner(services: Services, queue: OpenJobQueue, handlers: Record<JobKind, JobHandler>, options: { concurrency: number }): Promise<Runner> {
  const { db, log } = services;
  const worker = { id: randomUUID(), name: `${hostname()}:${process.pid}` };
  const stopping = new AbortController();
  const running = new Map<string, Promise<void>>();
  await db.insert(workers).values({ ...worker, version: productVersion });
  const beat = setInterval(() => {
    db.update(workers)
      .set({ heartbeatAt: new Date() })
      .where(eq(workers.id, worker.id))
      .catch((error: unknown) => log.warn({ err: error }, "worker heartbeat failed"));
  }, WORKER_BEAT_MS);
  if (queue.database.driver === "pglite") await releaseOrphans(db);

  const runOne = async (jobId: string): Promise<void> => {
    const [row] = await db
      .update(jobs)
      .set({ attempt: sql`${jobs.attempt} + 1`, worker: worker.name, startedAt: sql`coalesce(${jobs.startedAt}, now())`, state: sql`case when ${jobs.cancelRequestedAt} is null then 'running' else 'cancelling' end` })
      .where(and(eq(jobs.id, jobId), notInArray(jobs.state, [...FINISHED])))
      .returning();
    // Cancelled while it waited, or ended by a worker that died right after.
    if (row === undefined) return;
    await perform(services, row, handlers[row.kind], stopping.signal);
  };

  for (const kind of JOB_KINDS) {
    await queue.boss.work<{ jobId: string }>(
      kind,
      { localConcurrency: options.concurrency, pollingIntervalSeconds: 0.5, heartbeatRefreshSeconds: 3 },
      async (batch) => {
        for (const { data } of batch) {
          if (running.has(data.jobId)) continue;
          const work = runOne(data.jobId);
          running.set(data.jobId, work);
          try {
            await work;
          } finally {
            running.delete(data.jobId);
          }
        }
      },
    );
  }
  return {
    async close() {
      stopping.abort(new AppError("cancelled", "worker.stopping", "This worker is stopping; another one takes the job up."));
      await Promise.race([Promise.allSettled(running.values()), new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())]);
      clearInterval(beat);
      await Promise.all(JOB_KINDS.map((kind) => queue.boss.offWork(kind, { wait: false }).catch(() => undefined)));
      await db.delete(workers).where(eq(workers.id, worker.id));
    },
  };
}

/** The embedded database has one process: whatever was active when it opens was lost with the last one. */
async function releaseOrphans(db: Db): Promise<void> {
  await db.execute(sql`update pgboss.job set state = 'retry', start_after = now(), heartbeat_on = null where state = 'active'`);
  await db.delete(workers).where(sql`${workers.heartbeatAt} < now() - interval '1 minute'`);
}

async function perform(services: Services, row: typeof jobs.$inferSelect, handler: JobHandler, stopping: AbortSignal): Promise<void> {
  const { db, log, events } = services;
  const cancelled = new AbortController();
  const record = jobRecord(services, row);
  const told = (): void => {
    events.publish({ type: "job", id: row.id });
    if (row.subjectKind === "request") events.publish({ type: "request", id: row.subjectId });
    if (row.subjectKind === "image") events.publish({ type: "image", id: row.subjectId });
  };
  const cancel = (by: string | null): void => {
    if (!cancelled.signal.aborted) cancelled.abort(new AppError("cancelled", "job.cancelled", by === null ? "The job was cancelled." : `The job was cancelled by ${by}.`));
  };
  const check = async (): Promise<void> => {
    const [now] = await db.select({ at: jobs.cancelRequestedAt, by: jobs.cancelRequestedBy }).from(jobs).where(eq(jobs.id, row.id));
    if (now?.at) cancel(now.by);
  };
  const poll = setInterval(() => void check().catch(() => undefined), CANCEL_POLL_MS);
  if (row.cancelRequestedAt !== null) cancel(row.cancelRequestedBy);
  told();
  const signal = AbortSignal.any([cancelled.signal, stopping]);
  const finish = async (state: (typeof FINISHED)[number], error: unknown): Promise<void> => {
    await record.flush();
    const json = error === null ? null : errorToJson(error);
    if (json?.kind === "internal") log.error({ err: error, jobId: row.id }, `${row.title} failed`);
    await db
      .update(jobs)
      .set({ state, error: json, finishedAt: new Date() })
      .where(and(eq(jobs.id, row.id), inArray(jobs.state, ["running", "cancelling"])));
    told();
  };
  try {
    await handler({ jobId: row.id, attempt: row.attempt, input: row.input, signal, services, stage: record.stage, progress: record.progress, log: record.log });
    await finish("succeeded", null);
  } catch (error) {
    // A worker that goes leaves the job as it is: thrown to the queue, it is tried again elsewhere.
    if (stopping.aborted && !cancelled.signal.aborted) {
      await db.update(jobs).set({ state: "queued", worker: null }).where(eq(jobs.id, row.id)).catch(() => undefined);
      throw error;
    }
    await finish(cancelled.signal.aborted ? "cancelled" : "failed", cancelled.signal.aborted ? cancelled.signal.reason : error);
  } finally {
    clearInterval(poll);
    await record.flush().catch(() => undefined);
  }
}
