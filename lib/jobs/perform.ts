/** One attempt at one job: its handler between the row's `running` and its end, or until it is left to a later attempt. */
import { and, inArray, sql } from "drizzle-orm";
import { jobs } from "#lib/db/schema.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import { endJob } from "./end-job.ts";
import { isStopping, STOPPING, type JobEnd, type JobHandler, type JobRow } from "./handler.ts";
import { HostAway, putAside, type WaitLimits } from "./host-wait.ts";
import { jobRecord } from "./job-record.ts";
import { ownRow, watchLease } from "./lease.ts";
import { isOurTrouble, patiently } from "./patience.ts";

/** So many workers may die of a job in one stage; the next one only lets its handler clean up. */
const MOST_CRASHES = 3;
/** The longest that a job may take: below the time after which the queue hands it to somebody else. */
const LONGEST_MS = 22 * 3600 * 1000;
/** A job that its worker gives back is not one that its worker died of: worth saying, however long the database is away. */
const GIVE_BACK_MS = 10 * 60_000;
/** A worker that stops has ten seconds for everything. */
const HURRY_MS = 3000;

/** Throws when the job is left to another worker; everything else ends in the row. */
export async function perform(
  services: Services,
  row: JobRow,
  handler: JobHandler,
  leave: AbortSignal,
  limits: WaitLimits,
): Promise<void> {
  const { db, log } = services;
  const record = jobRecord(services, row);
  const ending = new AbortController();
  const lost = new AbortController();
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
  const finish = async (outcome: JobEnd): Promise<void> => {
    await record.flush().catch(() => undefined);
    await endJob(services, row, handler, outcome, leave);
  };

  log.info({ jobId: row.id, kind: row.kind, attempt: row.attempt, worker: row.worker }, `job begun: ${row.title}`);
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
    if (row.crashes > 2 * MOST_CRASHES) return finish({ state: "failed", error: errorToJson(gaveUp) });
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
  const announce = (): void => {
    services.events.publish({ type: "job", id: row.id });
    if (row.subjectKind === "request") services.events.publish({ type: "request", id: row.subjectId });
  };
  announce();
  try {
    await record.waitIsOver();
    const result = await handler.run({
      jobId: row.id,
      attempt: row.attempt,
      input: row.input,
      signal,
      services,
      stage: record.stage,
      progress: record.progress,
      log: record.log,
    });
    // Done is done, also when the database was silent meanwhile: the end is written if the job is still ours.
    await finish({ state: "succeeded", result });
  } catch (error) {
    if (left() || isOurTrouble(error) || isStopping(error)) {
      await giveBack(services, row, leave);
      log.info({ jobId: row.id, err: error }, `job left for a later attempt: ${row.title}`);
      throw error;
    }
    if (error instanceof HostAway && !ending.signal.aborted) {
      const waits = await patiently(() => putAside(db, row, record.waited(), error, record.waitingStages, limits));
      if (waits !== null) {
        announce();
        log.info({ jobId: row.id, hostId: waits.hostId, until: waits.until }, `job waits for its host: ${row.title}`);
        return;
      }
    }
    const thrown = error instanceof HostAway ? waitedInVain(error, record.waited() !== null, limits) : error;
    const reason: unknown = ending.signal.aborted ? ending.signal.reason : thrown;
    const cancelled = reason instanceof AppError && reason.code === "job.cancelled";
    // The same reason, thrown by the handler with more to say: what could not be removed.
    const fuller = reason instanceof AppError && thrown instanceof AppError && thrown.code === reason.code;
    const shown = errorToJson(fuller ? thrown : reason);
    if (shown.kind === "internal") log.error({ err: error, jobId: row.id }, `${row.title} failed`);
    await finish({ state: cancelled ? "cancelled" : "failed", error: shown });
  } finally {
    clearTimeout(tooLong);
    stopWatching();
    await record.flush().catch(() => undefined);
  }
}

function waitedInVain({ host, reason }: HostAway, still: boolean, { hours }: WaitLimits): AppError {
  return new AppError(reason.kind, reason.code, reason.message, {
    hint: still
      ? `Supravisor waited ${hours} h for ${host.name}. See why it is away, then ask again.`
      : `${host.name} went away too often under this job. See why, then ask again.`,
    cause: reason,
  });
}

async function giveBack({ db }: Services, row: JobRow, leave: AbortSignal): Promise<void> {
  const back = () =>
    db
      .update(jobs)
      .set({
        state: sql`case when ${jobs.cancelRequestedAt} is null then 'queued' else 'cancelling' end`,
        worker: null,
      })
      .where(and(ownRow(row), inArray(jobs.state, ["running", "cancelling"])));
  await patiently(back, leave.aborted ? { ms: HURRY_MS } : { ms: GIVE_BACK_MS, signal: leave }).catch(() => undefined);
}
