/** Several targets that read the disk of one VM: some hosts lend it to one reader at a time. */
import { setTimeout as delay } from "node:timers/promises";
import { and, eq, inArray, ne, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { jobs, requests, requestTargets } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import type { SourceVm } from "./source.ts";

const LOOK_MS = 3000;
/** The others have not moved for so long: whoever holds the disk is none of them. */
const PATIENCE_MS = 30 * 60_000;

/** `work` anew after `disk.in-use`, for as long as other deploys of that VM get on. Throws what `work` throws. */
export async function inTurn<T>(
  io: Pick<JobIO, "jobId" | "signal" | "services" | "log">,
  source: Pick<SourceVm, "hostId" | "hostName" | "vmRef" | "vmName">,
  work: () => Promise<T>,
  lookEvery = LOOK_MS,
): Promise<T> {
  let told = false;
  let before = "";
  let moved = Date.now();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError && error.code === "disk.in-use")) throw error;
      const now = await otherReaders(io.services.db, io.jobId, source);
      if (now !== before) moved = Date.now();
      if (now === "" || Date.now() - moved > PATIENCE_MS) throw error;
      before = now;
    }
    if (!told)
      await io.log(
        "info",
        `${source.hostName} lends the disks of ${source.vmName} to another deploy now: this one waits.`,
      );
    told = true;
    await delay(lookEvery, undefined, { signal: io.signal }).catch(() => io.signal.throwIfAborted());
  }
}

/** How far other running deploys of the VM have come; empty: there are none. */
async function otherReaders(db: Db, jobId: string, { hostId, vmRef }: Pick<SourceVm, "hostId" | "vmRef">) {
  const rows = await db
    .select({ id: jobs.id, progress: jobs.progress, stages: jobs.stages })
    .from(requestTargets)
    .innerJoin(requests, eq(requests.id, requestTargets.requestId))
    .innerJoin(jobs, eq(jobs.id, requestTargets.jobId))
    .where(
      and(
        ne(jobs.id, jobId),
        inArray(jobs.state, ["running", "cancelling"]),
        sql`${requests.plan} -> 'source' ->> 'hostId' = ${hostId}`,
        sql`${requests.plan} -> 'source' ->> 'vmRef' = ${vmRef}`,
      ),
    )
    .orderBy(jobs.id);
  return rows
    .map(({ id, progress, stages }) => `${id} ${stages.find(({ state }) => state === "running")?.id} ${progress?.done}`)
    .join("\n");
}
