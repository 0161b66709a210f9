/** Jobs whose worker is gone without a word. */
import { sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { jobs } from "#lib/db/schema.ts";
import type { JobKind } from "#lib/domain/job.ts";
import { wakeJobs } from "./host-wait.ts";
import { groupOf, putBack, type OpenJobQueue } from "./queue.ts";

/** The embedded database has one process: whatever was active when it opens was lost with the last one. */
export async function releaseOrphans(db: Db): Promise<void> {
  await db.execute(
    sql`update pgboss.job set state = 'retry', start_after = now(), heartbeat_on = null where state = 'active'`,
  );
}

/**
 * Puts jobs back into the queue that have not ended but that the queue has given up or knows nothing of: woken after
 * they waited for a host, tried too often, or restored from a backup in parts. Without this their pages would say
 * "running" for ever.
 */
export async function reviveLostJobs(queue: OpenJobQueue): Promise<void> {
  const { db } = queue.database;
  await wakeJobs(db);
  const { rows } = (await db.execute(sql`
    select ${jobs.id} as id, ${jobs.kind} as kind, ${jobs.hostId} as "hostId", boss.id is not null as known
    from ${jobs} left join pgboss.job boss on boss.name = ${jobs.kind} and boss.id = ${jobs.id}
    where ${jobs.state} in ('queued', 'running', 'cancelling') and ${jobs.resumeAt} is null
      and (boss.id is null or boss.state not in ('created', 'retry', 'active'))
  `)) as unknown as { rows: { id: string; kind: JobKind; hostId: string | null; known: boolean }[] };
  for (const { id, kind, hostId, known } of rows) {
    if (known) await putBack(db, kind, id);
    else await queue.boss.send(kind, { jobId: id }, { id, ...groupOf(hostId) });
  }
}
