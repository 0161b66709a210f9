/** Jobs whose worker is gone without a word. */
import { sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { jobs } from "#lib/db/schema.ts";
import type { JobKind } from "#lib/domain/job.ts";
import type { OpenJobQueue } from "./queue.ts";

/** The embedded database has one process: whatever was active when it opens was lost with the last one. */
export async function releaseOrphans(db: Db): Promise<void> {
  await db.execute(
    sql`update pgboss.job set state = 'retry', start_after = now(), heartbeat_on = null where state = 'active'`,
  );
}

/**
 * Puts jobs back into the queue that have not ended but that the queue has given up or knows nothing of: tried
 * too often, or restored from a backup in parts. Without this their pages would say "running" for ever.
 */
export async function reviveLostJobs(queue: OpenJobQueue): Promise<void> {
  const { db } = queue.database;
  const { rows } = (await db.execute(sql`
    select ${jobs.id} as id, ${jobs.kind} as kind, boss.id is not null as known
    from ${jobs} left join pgboss.job boss on boss.name = ${jobs.kind} and boss.id = ${jobs.id}
    where ${jobs.state} in ('queued', 'running', 'cancelling') and (boss.id is null or boss.state not in ('created', 'retry', 'active'))
  `)) as unknown as { rows: { id: string; kind: JobKind; known: boolean }[] };
  for (const { id, kind, known } of rows) {
    if (known) {
      await db.execute(sql`
        update pgboss.job set state = 'retry', retry_count = 0, start_after = now(), completed_on = null, heartbeat_on = null
        where name = ${kind} and id = ${id} and state not in ('created', 'retry', 'active')
      `);
    } else {
      await queue.boss.send(kind, { jobId: id }, { id });
    }
  }
}
