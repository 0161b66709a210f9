/**
 * Takes jobs from the queue and runs their handlers. A job whose worker died is taken up again by whoever is
 * there; its handler sees a higher `attempt` and first removes what the earlier one had made.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { and, eq, lt, notInArray, sql } from "drizzle-orm";
import type { Job as BossJob } from "pg-boss";
import type { Db } from "#lib/db/client.ts";
import { jobs, workers } from "#lib/db/schema.ts";
import { ENDED_JOB_STATES, JOB_KINDS, type JobKind } from "#lib/domain/job.ts";
import { AppError } from "#lib/errors.ts";
import { productVersion } from "#lib/version.ts";
import type { Services } from "#lib/services/context.ts";
import { STOPPING, type JobHandler } from "./handler.ts";
import { requireTurn } from "./host-turn.ts";
import { USUAL_WAIT_HOURS, type WaitLimits } from "./host-wait.ts";
import { patiently } from "./patience.ts";
import { perform } from "./perform.ts";
import type { OpenJobQueue } from "./queue.ts";
import { releaseOrphans, reviveLostJobs } from "./recover.ts";

export type { JobHandler, JobIO } from "./handler.ts";

export interface Runner {
  /** Stops taking jobs; running ones are told, and left for another worker if they do not end in time. */
  close(): Promise<void>;
}

export interface RunnerOptions {
  /** Jobs of each kind at the same time, in this process. */
  readonly concurrency: number;
  /** Jobs of each kind at the same time on one host, of all workers; by default as many as run anywhere. */
  readonly perHost?: number;
  /** How long a job waits for a host that is away. */
  readonly wait?: Partial<WaitLimits>;
  /** How this worker is called in lists; by default its machine and process. */
  readonly name?: string;
}

const WORKER_BEAT_MS = 5000;
const REVIVE_MS = 2000;
const CLOSE_MS = 10_000;
/** Rows of workers that died stay so long, for whoever looks for them. */
const KEEP_WORKERS = "1 day";

/** Where a job was when its worker died; empty: between two stages. */
const RUNNING_STAGE = sql`coalesce((
  select stage ->> 'id' from jsonb_array_elements(${jobs.stages}) stage where stage ->> 'state' = 'running' limit 1
), '')`;

export async function startRunner(
  services: Services,
  queue: OpenJobQueue,
  handlers: Record<JobKind, JobHandler>,
  options: RunnerOptions,
): Promise<Runner> {
  const { db, log } = services;
  const worker = { id: randomUUID(), name: options.name ?? `${hostname()}:${process.pid}` };
  const stopping = new AbortController();
  const running = new Map<string, Promise<void>>();
  const limits: WaitLimits = { hours: USUAL_WAIT_HOURS, ...options.wait };
  /** Jobs that this process has taken: one of them that is still its own was not died of, whatever its row says. */
  const taken = new Set<string>();
  await patiently(async () => {
    await beat(db, worker);
    await db.delete(workers).where(lt(workers.heartbeatAt, sql`now() - ${KEEP_WORKERS}::interval`));
    if (queue.database.driver === "pglite") await releaseOrphans(db);
    await reviveLostJobs(queue);
  });
  const every = (ms: number, what: string, work: () => Promise<unknown>): NodeJS.Timeout => {
    let busy = false;
    return setInterval(() => {
      if (busy) return;
      busy = true;
      work()
        .catch((error: unknown) => log.warn({ err: error }, `${what} failed`))
        .finally(() => {
          busy = false;
        });
    }, ms);
  };
  const timers = [
    every(WORKER_BEAT_MS, "the worker's heartbeat", () => beat(db, worker)),
    every(REVIVE_MS, "looking for lost jobs", () => reviveLostJobs(queue)),
  ];

  const runOne = async (job: BossJob<{ jobId: string }>): Promise<void> => {
    const leave = AbortSignal.any([stopping.signal, claimLost(job.signal)]);
    leave.throwIfAborted();
    const alive = sql`(${jobs.worker} is null or (${taken.has(job.data.jobId)} and ${jobs.worker} = ${worker.name}))`;
    taken.add(job.data.jobId);
    const [row] = await db.transaction(async (tx) => {
      if (options.perHost !== undefined) await requireTurn(tx, job.data.jobId, options.perHost);
      return tx
        .update(jobs)
        .set({
          attempt: sql`${jobs.attempt} + 1`,
          // A row that says who runs it was not given back: that worker died of it, or with it. In another stage than
          // the one before, it did not die of the same thing.
          crashes: sql`case
          when ${alive} then ${jobs.crashes}
          when ${jobs.crashStage} = ${RUNNING_STAGE} then ${jobs.crashes} + 1
          else 1 end`,
          crashStage: sql`case when ${alive} then ${jobs.crashStage} else ${RUNNING_STAGE} end`,
          worker: worker.name,
          startedAt: sql`coalesce(${jobs.startedAt}, now())`,
          resumeAt: null,
          state: sql`case when ${jobs.cancelRequestedAt} is null then 'running' else 'cancelling' end`,
        })
        .where(and(eq(jobs.id, job.data.jobId), notInArray(jobs.state, [...ENDED_JOB_STATES])))
        .returning();
    });
    // Cancelled while it waited, or ended by a worker that died right after.
    if (row === undefined) return;
    await perform(services, row, handlers[row.kind], leave, limits);
    taken.delete(row.id);
  };

  for (const kind of JOB_KINDS) {
    await queue.boss.work<{ jobId: string }>(
      kind,
      {
        localConcurrency: options.concurrency,
        ...(options.perHost === undefined ? {} : { groupConcurrency: options.perHost }),
        pollingIntervalSeconds: 0.5,
        heartbeatRefreshSeconds: 3,
      },
      async (batch) => {
        for (const job of batch) {
          const { jobId } = job.data;
          // This process was silent for so long that it got its own job a second time: the first try ends before.
          await running.get(jobId)?.catch(() => undefined);
          const work = runOne(job);
          running.set(jobId, work);
          try {
            await work;
          } finally {
            if (running.get(jobId) === work) running.delete(jobId);
          }
        }
      },
    );
  }
  return {
    async close() {
      const idle = Promise.all(
        JOB_KINDS.map((kind) => queue.boss.offWork(kind, { wait: true }).catch(() => undefined)),
      );
      stopping.abort(new AppError("cancelled", STOPPING, "This worker is stopping; another one takes the job up."));
      const limit = Promise.withResolvers<void>();
      const timer = setTimeout(limit.resolve, CLOSE_MS);
      await Promise.race([idle, limit.promise]);
      clearTimeout(timer);
      for (const each of timers) clearInterval(each);
      // A row that stays is swept away by the next worker that starts.
      await patiently(() => db.delete(workers).where(eq(workers.id, worker.id)), { ms: 500 }).catch(() => undefined);
    },
  };
}

/** An upsert: after a day asleep the row may have been swept away by another worker. */
async function beat(db: Db, worker: { id: string; name: string }): Promise<void> {
  await db
    .insert(workers)
    .values({ ...worker, version: productVersion })
    .onConflictDoUpdate({ target: workers.id, set: { heartbeatAt: sql`now()` } });
}

/** The queue's own word that somebody else has the job now. */
function claimLost(signal: AbortSignal): AbortSignal {
  const lost = new AbortController();
  const abort = (): void => lost.abort(new AppError("cancelled", STOPPING, "Another worker has taken this job up."));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return lost.signal;
}
