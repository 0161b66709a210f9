/**
 * Is this job still ours, and does anybody want it to stop? One look at its row answers both. The attempt's number is
 * the fence: whoever takes the job up after us raises it, and from then on nothing of ours may be written.
 */
import { and, eq } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { jobs } from "#lib/db/schema.ts";

export interface LeaseEvents {
  cancelled(by: string | null): void;
  /** Another worker has the job, or the database has been silent for so long that another one may. */
  lost(): void;
}

const LOOK_MS = 700;
/** 7 s of silence; a worker is taken for dead after 10 s (lib/jobs/queue.ts), so we are gone before it starts. */
const SILENT_LOOKS = 10;

/** The row as this attempt may write it; matches nothing once the job has gone to another one. */
export function ownRow(job: { readonly id: string; readonly attempt: number }) {
  return and(eq(jobs.id, job.id), eq(jobs.attempt, job.attempt));
}

/** Answers with the function that ends the watch. */
export function watchLease(
  db: Db,
  job: { readonly id: string; readonly attempt: number },
  events: LeaseEvents,
): () => void {
  let looking = false;
  // Counted in looks, not by the clock: a process that was asleep gets one look, not a verdict.
  let silent = 0;
  const look = async (): Promise<void> => {
    const [row] = await db
      .select({ attempt: jobs.attempt, at: jobs.cancelRequestedAt, by: jobs.cancelRequestedBy })
      .from(jobs)
      .where(eq(jobs.id, job.id));
    silent = 0;
    if (row === undefined || row.attempt !== job.attempt) events.lost();
    else if (row.at !== null) events.cancelled(row.by);
  };
  const timer = setInterval(() => {
    silent += 1;
    if (silent > SILENT_LOOKS) events.lost();
    if (looking) return;
    looking = true;
    look()
      .catch(() => undefined)
      .finally(() => {
        looking = false;
      });
  }, LOOK_MS);
  return () => clearInterval(timer);
}
