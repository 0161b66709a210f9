/** Putting work into the queue, in the same transaction as the change that wants it. */
import { randomUUID } from "node:crypto";
import { and, eq, inArray, sql, type SQL } from "drizzle-orm";
import { fromDrizzle, fromPglite, PgBoss } from "pg-boss";
import type { Database, Tx } from "#lib/db/client.ts";
import { jobs } from "#lib/db/schema.ts";
import { JOB_KINDS, type Job, type JobKind } from "#lib/domain/job.ts";

export interface NewJob {
  readonly kind: JobKind;
  /** "Deploy web-golden v3 to kvm-1 as web-07" */
  readonly title: string;
  readonly subject: Job["subject"];
  /** Identifiers only, never a secret. */
  readonly input: Record<string, unknown>;
  readonly stages?: Job["stages"];
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

export async function openJobQueue(database: Database): Promise<OpenJobQueue> {
  const boss = new PgBoss({
    ...(database.pglite === null
      ? { connectionString: database.url ?? "", max: 4, application_name: "supravisor jobs" }
      : { db: fromPglite(database.pglite), backend: "pglite" as const }),
    schema: "pgboss",
    monitorIntervalSeconds: 2,
    superviseIntervalSeconds: 2,
    schedule: false,
  });
  // Without a listener an error event would end the process; what matters of it comes back from the calls themselves.
  boss.on("error", () => undefined);
  await boss.start();
  const rules = {
    retryLimit: RETRIES,
    retryDelay: 1,
    expireInSeconds: LONGEST_JOB,
    heartbeatSeconds: HEARTBEAT,
    retentionSeconds: 14 * 24 * 3600,
  };
  for (const kind of JOB_KINDS) {
    await boss.createQueue(kind, rules);
    // A queue that an older version made keeps its rules until told otherwise.
    await boss.updateQueue(kind, rules);
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
        createdBy: job.actor.id,
        createdByName: job.actor.name,
      });
      await boss.send(job.kind, { jobId: id }, { id, db: fromDrizzle(asExecutor(tx), sql) });
      return id;
    },
    async requestCancel(tx, jobId, actor) {
      const mark = { cancelRequestedAt: new Date(), cancelRequestedBy: actor.name };
      const queued = await tx
        .update(jobs)
        .set({ ...mark, state: "cancelled", finishedAt: new Date() })
        // One that has been tried before may have made things: it has to run to remove them.
        .where(and(eq(jobs.id, jobId), eq(jobs.state, "queued"), eq(jobs.attempt, 0)))
        .returning({ id: jobs.id });
      if (queued.length > 0) return true;
      const running = await tx
        .update(jobs)
        .set({ ...mark, state: "cancelling" })
        .where(and(eq(jobs.id, jobId), inArray(jobs.state, ["queued", "running", "cancelling"])))
        .returning({ id: jobs.id });
      return running.length > 0;
    },
    close: () => boss.stop({ graceful: false, close: true }),
  };
}
