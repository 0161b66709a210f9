/** A job whose host is away lies aside, without a place among those that run, until the host is back. */
import { and, inArray, sql } from "drizzle-orm";
import { hosts, jobs } from "#lib/db/schema.ts";
import type { Db } from "#lib/db/client.ts";
import type { HostWait, Job } from "#lib/domain/job.ts";
import { AppError } from "#lib/errors.ts";
import { ownRow } from "./lease.ts";

/** How long a job waits for a host where nothing else is set; hours. */
export const USUAL_WAIT_HOURS = 6;
/** Each time the work begins from its beginning. */
const USUAL_INTERRUPTIONS = 5;
const FIRST_MS = 1000;
const MOST_MS = 60_000;
/** Where nobody keeps a session with the host, or nobody notices that it is back, the job looks for itself. */
const LOOK_ANYWAY = "5 minutes";

/** Thrown by a handler after it has taken back what it could: the work is to begin again when the host answers. */
export class HostAway extends Error {
  readonly host: { readonly id: string; readonly name: string };
  readonly reason: AppError;

  constructor(host: { readonly id: string; readonly name: string }, reason: AppError) {
    super(`${host.name} is away: ${reason.message}`, { cause: reason });
    this.name = "HostAway";
    this.host = host;
    this.reason = reason;
  }
}

/** Said of the way to a host, not of what was asked of it. */
export function tellsOfAbsence(error: unknown): error is AppError {
  if (!(error instanceof AppError) || error.kind !== "unavailable") return false;
  if (error.code === "thread.stalled") return true;
  return error.code.startsWith("host.") && error.code !== "host.refused" && error.code !== "host.left-behind";
}

export interface WaitLimits {
  readonly hours: number;
  /** A host may go away under one job so many times. */
  readonly interruptions?: number;
  /** Of the first pause; each further one is twice as long, up to a minute. */
  readonly firstPauseMs?: number;
}

type Row = Pick<typeof jobs.$inferSelect, "id" | "attempt" | "interruptions">;

/**
 * Puts the job aside. Null: it has waited, or begun again, as long and often as it may. `waited`: what it waited for
 * before, when the host has not shown since that it is back. `stagesWith`: how its page says so.
 */
export async function putAside(
  db: Db,
  row: Row,
  waited: HostWait | null,
  { host, reason }: HostAway,
  stagesWith: (wait: HostWait) => Job["stages"],
  { hours, interruptions: most = USUAL_INTERRUPTIONS, firstPauseMs = FIRST_MS }: WaitLimits,
): Promise<HostWait | null> {
  const interruptions = row.interruptions + (waited === null ? 1 : 0);
  if (interruptions > most) return null;
  const { rows } = (await db.execute(sql`select extract(epoch from now()) * 1000 as now`)) as unknown as {
    rows: { now: string }[];
  };
  const now = Number(rows[0]?.now);
  const since = waited?.since ?? new Date(now).toISOString();
  const until = waited?.until ?? new Date(now + hours * 3600_000).toISOString();
  if (now >= Date.parse(until)) return null;
  const tries = waited === null ? 0 : waited.tries + 1;
  const pause = Math.min(MOST_MS, firstPauseMs * 2 ** Math.min(tries + interruptions - 1, 10));
  const waiting: HostWait = { hostId: host.id, hostName: host.name, since, until, reason: reason.message, tries };
  await db
    .update(jobs)
    .set({
      // Somebody who cancels at this very moment is heard at once.
      state: sql`case when ${jobs.cancelRequestedAt} is null then 'queued' else 'cancelling' end`,
      resumeAt: sql`case when ${jobs.cancelRequestedAt} is null then now() + ${`${pause} milliseconds`}::interval end`,
      worker: null,
      stages: stagesWith(waiting),
      waiting,
      interruptions,
    })
    .where(and(ownRow(row), inArray(jobs.state, ["running", "cancelling"])));
  return waiting;
}

/** Gives back to the queue what has waited long enough: its host is there again, or its time is over. */
export async function wakeJobs(db: Db): Promise<number> {
  const woken = await db
    .update(jobs)
    .set({ resumeAt: null })
    .where(
      and(
        sql`${jobs.resumeAt} <= now()`,
        sql`(
          ${jobs.resumeAt} <= now() - ${LOOK_ANYWAY}::interval
          or (${jobs.waiting} ->> 'until')::timestamptz <= now()
          or not exists (
            select 1 from ${hosts} host
            where host.id = (${jobs.waiting} ->> 'hostId')::uuid and host.state <> 'online' and host.removed_at is null
          )
        )`,
      ),
    )
    .returning({ id: jobs.id });
  return woken.length;
}

export function waitLabel({ hostName, since, until, reason }: HostWait): string {
  return `Waiting since ${clock(since)} for ${hostName}, until ${clock(until)} at the latest: ${reason}`;
}

export function waitedLabel({ hostName, since }: HostWait): string {
  return `Waited for ${hostName} since ${clock(since)}`;
}

/** Labels are stored: the page that shows them may be anywhere. */
const clock = (at: string): string => `${at.slice(0, 16).replace("T", " ")} UTC`;
