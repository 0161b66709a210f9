/** The end of a job, and of everything that speaks of the same fact, in one transaction. */
import { and, eq, inArray, sql } from "drizzle-orm";
import { jobs } from "#lib/db/schema.ts";
import { isEnded } from "#lib/domain/job.ts";
import { AppError } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import { closedStages } from "./closed-stages.ts";
import { STOPPING, type JobEnd, type JobHandler, type JobRow } from "./handler.ts";
import { ownRow } from "./lease.ts";
import { isOurTrouble, patiently } from "./patience.ts";

/** No byte moves any more, and the row's fence keeps a late end from another attempt: there is time. */
const END_MS = 10 * 60_000;
const HURRY_MS = 3000;

/** Throws `worker.stopping` when the job is another worker's by now, and the database's error when it stays away. */
export async function endJob(
  services: Services,
  row: JobRow,
  handler: JobHandler,
  end: JobEnd,
  leave: AbortSignal,
): Promise<void> {
  const { db, events, log } = services;
  const write = async (ended: JobHandler["ended"]) =>
    patiently(
      () =>
        db.transaction(async (tx) => {
          const [job] = await tx
            .update(jobs)
            .set({
              state: end.state,
              error: end.state === "succeeded" ? null : end.error,
              finishedAt: sql`now()`,
              waiting: null,
              resumeAt: null,
            })
            .where(and(ownRow(row), inArray(jobs.state, ["running", "cancelling"])))
            .returning();
          if (job === undefined) return null;
          const stages = closedStages(job.stages, end.state);
          if (stages !== job.stages) await tx.update(jobs).set({ stages }).where(eq(jobs.id, job.id));
          return (await ended?.(tx, job, end)) ?? [];
        }),
      leave.aborted ? { ms: HURRY_MS } : { ms: END_MS, signal: leave },
    );
  const told = await write(handler.ended?.bind(handler)).catch((error: unknown) => {
    // A success that is not written in full is none: its things are not the user's yet.
    if (isOurTrouble(error) || end.state === "succeeded") throw error;
    log.error(
      { err: error, jobId: row.id },
      "what belongs to the end of a job could not be written; it is repaired later",
    );
    return write(undefined);
  });
  if (told === null) {
    // Ended by the try before this one, whose answer was lost; or taken up by somebody else.
    const [now] = await patiently(() =>
      db
        .select({ state: jobs.state })
        .from(jobs)
        .where(and(eq(jobs.id, row.id), ownRow(row))),
    );
    if (now === undefined || !isEnded(now.state))
      throw new AppError("cancelled", STOPPING, "Another worker has taken this job up.");
  }
  log.info(
    { jobId: row.id, kind: row.kind, state: end.state, ...(end.state === "succeeded" ? {} : { code: end.error.code }) },
    `job ended: ${row.title}`,
  );
  for (const event of told ?? []) events.publish(event);
  events.publish({ type: "job", id: row.id });
  if (row.subjectKind === "request") events.publish({ type: "request", id: row.subjectId });
  if (row.subjectKind === "image") events.publish({ type: "image", id: row.subjectId });
}
