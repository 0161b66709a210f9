/** What a kind of job does, and what else ends with it. */
import type { jobs } from "#lib/db/schema.ts";
import type { Tx } from "#lib/db/client.ts";
import type { LiveEvent } from "#lib/domain/page.ts";
import { AppError, type ErrorJson } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import type { JobRecord } from "./job-record.ts";
import { isOurTrouble } from "./patience.ts";

export type JobRow = typeof jobs.$inferSelect;

export const STOPPING = "worker.stopping";

/** This worker is to leave the job alone: nothing is undone and nothing ended here. */
export function isStopping(reason: unknown): boolean {
  return reason instanceof AppError && reason.code === STOPPING;
}

export interface JobIO extends Pick<JobRecord, "stage" | "progress" | "log"> {
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

/** `result`: what `run` answered. */
export type JobEnd<R = unknown> =
  | { readonly state: "succeeded"; readonly result: R }
  | { readonly state: "failed" | "cancelled"; readonly error: ErrorJson };

export interface JobHandler<R = unknown> {
  /**
   * Throws what ends the job, after it has taken back what it made; HostAway: it is to run again when the host is
   * there. An error of the database (`isOurTrouble`) goes through as it is: the job runs again, and nothing is undone
   * for it here.
   */
  run(io: JobIO): Promise<R>;
  /**
   * In the transaction that ends the job, so that whatever speaks of the same fact says the same. Answers the events to
   * publish after it. A job that was cancelled before it ever ran ends in the service that cancels it.
   */
  ended?(tx: Tx, job: JobRow, end: JobEnd<R>): Promise<readonly LiveEvent[]>;
}

/** `error` leaves the job to a later attempt, which takes back what this one made: nothing is to be done about it here. */
export function isLeft(io: Pick<JobIO, "signal">, error: unknown): boolean {
  return isOurTrouble(error) || isStopping(error) || isStopping(io.signal.reason);
}

/** What is said of a job that has ended and left no word of how. */
export function withoutResult(job: Pick<JobRow, "state" | "title" | "cancelRequestedBy">): AppError {
  if (job.state === "cancelled")
    return new AppError(
      "cancelled",
      "job.cancelled",
      `The job was cancelled by ${job.cancelRequestedBy ?? "somebody"}.`,
    );
  return new AppError("internal", "job.no-result", `“${job.title}” has ended, but its result was not stored.`, {
    hint: "Look at the host and the library for what it made, then ask again.",
  });
}
