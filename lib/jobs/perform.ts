/** One attempt at one job: its handler between the row's `running` and its end. */
import { inArray, sql, and } from "drizzle-orm";
import { jobs } from "#lib/db/schema.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import { jobRecord, type JobRecord } from "./job-record.ts";
import { ownRow, watchLease } from "./lease.ts";

export interface JobIO extends Omit<JobRecord, "flush"> {
  readonly jobId: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly input: Record<string, unknown>;
  /**
   * Aborts with `job.cancelled` when somebody cancels, with `job.gave-up` when the workers keep dying of this job,
   * with `worker.stopping` when this worker goes or has lost the job: then nothing is to be undone here.
   */
  readonly signal: AbortSignal;
  readonly services: Services;
}

export type JobHandler = (io: JobIO) => Promise<void>;
export type JobRow = typeof jobs.$inferSelect;

export const FINISHED = ["succeeded", "failed", "cancelled"] as const;
/** So many workers may die of a job; the next one only lets its handler clean up. */
const MOST_CRASHES = 3;
/** The longest that a job may take: below the time after which the queue hands it to somebody else. */
const LONGEST_MS = 22 * 3600 * 1000;

export const STOPPING = "worker.stopping";

/** Throws when the job is left to another worker; everything else ends in the row. */
export async function perform(services: Services, row: JobRow, handler: JobHandler, leave: AbortSignal): Promise<void> {
  const { db, log, events } = services;
  const record = jobRecord(services, row);
  const ending = new AbortController();
  const lost = new AbortController();
  const told = (): void => {
    events.publish({ type: "job", id: row.id });
    if (row.subjectKind === "request") events.publish({ type: "request", id: row.subjectId });
    if (row.subjectKind === "image") events.publish({ type: "image", id: row.subjectId });
  };
  const end = (reason: AppError): void => {
    if (!ending.signal.aborted) ending.abort(reason);
  };
  const cancel = (by: string | null): void =>
    end(
      new AppError(
        "cancelled",
        "job.cancelled",
        by === null ? "The job was cancelled." : `The job was cancelled by ${by}.`,
      ),
    );
  const signal = AbortSignal.any([ending.signal, lost.signal, leave]);
  const left = (): boolean => lost.signal.aborted || (leave.aborted && !ending.signal.aborted);

  const finish = async (state: (typeof FINISHED)[number], error: unknown): Promise<void> => {
    await record.flush();
    const json = error === null ? null : errorToJson(error);
    if (json?.kind === "internal") log.error({ err: error, jobId: row.id }, `${row.title} failed`);
    await db
      .update(jobs)
      .set({ state, error: json, finishedAt: new Date() })
      .where(and(ownRow(row), inArray(jobs.state, ["running", "cancelling"])));
    told();
  };

  if (row.crashes > MOST_CRASHES) {
    const gaveUp = new AppError(
      "unprocessable",
      "job.gave-up",
      `${row.crashes} workers in a row died in the middle of this job.`,
      {
        hint: "The log of the server has their last lines: look for memory or disk that ran out.",
      },
    );
    // A clean-up that is deadly too must not take the console down at every start.
    if (row.crashes > 2 * MOST_CRASHES) return finish("failed", gaveUp);
    end(gaveUp);
  }
  if (row.cancelRequestedAt !== null) cancel(row.cancelRequestedBy);
  const stopWatching = watchLease(db, row, {
    cancelled: cancel,
    lost: () => {
      if (!lost.signal.aborted)
        lost.abort(new AppError("cancelled", STOPPING, "Another worker has taken this job up."));
    },
  });
  const tooLong = setTimeout(
    () => end(new AppError("unprocessable", "job.too-long", "The job took longer than 22 hours.")),
    LONGEST_MS,
  );
  told();
  try {
    await handler({
      jobId: row.id,
      attempt: row.attempt,
      input: row.input,
      signal,
      services,
      stage: record.stage,
      progress: record.progress,
      log: record.log,
    });
    if (lost.signal.aborted) throw lost.signal.reason;
    await finish("succeeded", null);
  } catch (error) {
    if (left()) {
      await db
        .update(jobs)
        .set({
          state: sql`case when ${jobs.cancelRequestedAt} is null then 'queued' else 'cancelling' end`,
          worker: null,
        })
        .where(and(ownRow(row), inArray(jobs.state, ["running", "cancelling"])))
        .catch(() => undefined);
      throw error;
    }
    const reason: unknown = ending.signal.aborted ? ending.signal.reason : error;
    const cancelled = reason instanceof AppError && reason.code === "job.cancelled";
    // The same reason, thrown by the handler with more to say: what could not be removed.
    const fuller = reason instanceof AppError && error instanceof AppError && error.code === reason.code;
    await finish(cancelled ? "cancelled" : "failed", fuller ? error : reason);
  } finally {
    clearTimeout(tooLong);
    stopWatching();
    await record.flush().catch(() => undefined);
  }
}
