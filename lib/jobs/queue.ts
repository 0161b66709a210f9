/** Putting work into the queue, in the same transaction as the change that wants it. */
import { randomUUID } from "node:crypto";
import { and, eq, inArray, notExists, or, sql, type SQL } from "drizzle-orm";
import { fromDrizzle, fromPglite, PgBoss } from "pg-boss";
import type { Database, Db, Tx } from "#lib/db/client.ts";
import { connectionRules } from "#lib/db/connection-rules.ts";
import { jobs, ledger } from "#lib/db/schema.ts";
import { ACTIVE_JOB_STATES, JOB_KINDS, type Job, type JobKind } from "#lib/domain/job.ts";
import { closedStages } from "./closed-stages.ts";

export interface NewJob {
  readonly kind: JobKind;
  /** "Deploy web-golden v3 to kvm-1 as web-07" */
  readonly title: string;
  readonly subject: Job["subject"];
  /** Identifiers only, never a secret. */
  readonly input: Record<string, unknown>;
  readonly stages?: Job["stages"];
  /** The host that it works on: jobs of one kind take turns there. */
  readonly hostId?: string;
  readonly actor: { readonly id: string | null; readonly name: string };
}

export interface JobQueue {
  /** Answers with the job's id. It runs once the transaction is committed. */
  enqueue(tx: Tx, job: NewJob): Promise<string>;
  /** Cancels a queued job at once; a running one is asked to stop and cleans up. False: it has ended already. */
  requestCancel(tx: Tx, jobId: string, actor: { readonly name: string }): Promise<boolean>;
}

/** Both drivers answer `{ rows }`; the common type of the two does not say so. */
function asExecutor(tx: Tx): { execute(query: unknown): Promise<{ rows: unknown[] }> } {
  return { execute: async (query) => (await tx.execute(query as SQL)) as { rows: unknown[] } };
}

/** The queue runs so many jobs of a group at a time (lib/jobs/runner.ts). */
export function groupOf(hostId: string | null): { group?: { id: string } } {
  return hostId === null ? {} : { group: { id: hostId } };
}

const madeNothing = notExists(
  sql`(select 1 from ${ledger} where ${ledger.jobId} = ${jobs.id} and ${ledger.state} in ('planned', 'made'))`,
);

/** What the queue takes for ended runs again. */
export async function putBack(db: Db, kind: JobKind, id: string): Promise<void> {
  await db.execute(sql`
    update pgboss.job set state = 'retry', retry_count = 0, start_after = now(), completed_on = null, heartbeat_on = null
    where name = ${kind} and id = ${id} and state not in ('created', 'retry', 'active')
  `);
}

export interface OpenJobQueue extends JobQueue {
  readonly boss: PgBoss;
  readonly database: Database;
  close(): Promise<void>;
}

/** A worker that is silent for so long is taken for dead; its job goes to another one. Seconds; pg-boss wants 10 at least. */
const HEARTBEAT = 10;
const LONGEST_JOB = 23 * 3600;
/** How often a job is tried at most is for lib/jobs/perform.ts to say; the queue must not give up before. */
const RETRIES = 1000;
/** The queue's statements are short; a lease that waits longer behind a line that went dead is somebody else's by then. */
const QUERY_MS = 20_000;

export async function openJobQueue(database: Database): Promise<OpenJobQueue> {
  const rules = connectionRules(QUERY_MS);
  const boss = new PgBoss({
    // It hands what it does not know on to pg.
    ...(database.pglite === null
      ? {
          connectionString: database.url ?? "",
          max: 4,
          application_name: "supravisor jobs",
          ...rules.options,
          statement_timeout: QUERY_MS - 2000,
        }
      : { db: fromPglite(database.pglite), backend: "pglite" as const }),
    schema: "pgboss",
    monitorIntervalSeconds: 2,
    superviseIntervalSeconds: 2,
    schedule: false,
  });
  // Without a listener an error event would end the process; what matters of it comes back from the calls themselves.
  boss.on("error", () => undefined);
  await boss.start();
  const queueRules = {
    retryLimit: RETRIES,
    retryDelay: 1,
    expireInSeconds: LONGEST_JOB,
    heartbeatSeconds: HEARTBEAT,
    retentionSeconds: 14 * 24 * 3600,
  };
  for (const kind of JOB_KINDS) {
    await boss.createQueue(kind, queueRules);
    // A queue that an older version made keeps its rules until told otherwise.
    await boss.updateQueue(kind, queueRules);
  }
  return {
    boss,
    database,
    async enqueue(tx, job) {
      const id = randomUUID();
      await tx.insert(jobs).values({
        id,
        kind: job.kind,
        title: job.title,
        subjectKind: job.subject.kind,
        subjectId: job.subject.id,
        input: job.input,
        stages: job.stages ?? [],
        hostId: job.hostId ?? null,
        createdBy: job.actor.id,
        createdByName: job.actor.name,
      });
      await boss.send(
        job.kind,
        { jobId: id },
        { id, ...groupOf(job.hostId ?? null), db: fromDrizzle(asExecutor(tx), sql) },
      );
      return id;
    },
    async requestCancel(tx, jobId, actor) {
      const mark = { cancelRequestedAt: sql`now()`, cancelRequestedBy: actor.name };
      const [queued] = await tx
        .update(jobs)
        .set({ ...mark, state: "cancelled", finishedAt: sql`now()`, waiting: null, resumeAt: null })
        // One that has made something has to run to remove it.
        .where(and(eq(jobs.id, jobId), eq(jobs.state, "queued"), or(eq(jobs.attempt, 0), madeNothing)))
        .returning({ stages: jobs.stages });
      if (queued !== undefined) {
        await tx
          .update(jobs)
          .set({ stages: closedStages(queued.stages, "cancelled") })
          .where(eq(jobs.id, jobId));
        return true;
      }
      const [running] = await tx
        .update(jobs)
        .set({ ...mark, state: "cancelling", resumeAt: null })
        .where(and(eq(jobs.id, jobId), inArray(jobs.state, [...ACTIVE_JOB_STATES])))
        .returning({ id: jobs.id, kind: jobs.kind });
      // One that lies aside, waiting for its host, is not waited for.
      if (running !== undefined) await putBack(tx, running.kind, running.id);
      return running !== undefined;
    },
    close: () => rules.endWith(() => boss.stop({ graceful: false, close: true })),
  };
}
