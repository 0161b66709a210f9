/** So many jobs of a kind work on one host at a time, whoever runs them. */
import { and, eq, inArray, isNotNull, ne, sql } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { jobs } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

/**
 * In the transaction that takes the job. The queue offers no more than `most` of a host's jobs either, but two of its
 * workers that look at the same moment do not see each other. Throws `job.host-busy`: the queue offers it again.
 */
export async function requireTurn(tx: Tx, jobId: string, most: number): Promise<void> {
  const [job] = await tx.select().from(jobs).where(eq(jobs.id, jobId));
  // One that is being cancelled only removes things.
  if (job === undefined || job.hostId === null || job.cancelRequestedAt !== null) return;
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`${job.kind} ${job.hostId}`}))`);
  const others = await tx
    .select({ id: jobs.id })
    .from(jobs)
    .where(
      and(
        eq(jobs.hostId, job.hostId),
        eq(jobs.kind, job.kind),
        ne(jobs.id, jobId),
        inArray(jobs.state, ["running", "cancelling"]),
        isNotNull(jobs.worker),
        // Not those whose worker has died: they take their own turn.
        sql`exists (
          select 1 from pgboss.job boss where boss.name = ${jobs.kind} and boss.id = ${jobs.id} and boss.state = 'active'
        )`,
      ),
    );
  if (others.length >= most)
    throw new AppError("unavailable", "job.host-busy", `${others.length} jobs work on this host already.`);
}
