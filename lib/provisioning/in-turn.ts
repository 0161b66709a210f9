/** Several jobs that read one VM: some hosts lend it to one reader at a time, and make one snapshot at a time. */
import { setTimeout as delay } from "node:timers/promises";
import { and, eq, inArray, ne, or, sql } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { jobs, ledger, requests, requestTargets } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import type { CapturePlan } from "#lib/hypervisor/adapter.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { enter } from "./ledger.ts";
import type { Reading, SourceVm } from "./source.ts";

const LOOK_MS = 3000;
const SNAPSHOT_LOOK_MS = 300;
/** A snapshot that takes longer is not waited for: then the host has the say. */
const SNAPSHOT_MS = 10 * 60_000;
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
      const now = await patiently(() => otherReaders(io.services.db, io.jobId, source));
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

/**
 * Plans how the VM is read and enters it in the ledger, while no other job that reads the VM has a snapshot there that is
 * not made yet: a host that is asked for two at once cannot always tell whose is which, and what reading needs depends on
 * the snapshots that are there. Answers the plan with its entries. Throws what `plan` throws.
 */
export async function planInTurn(
  io: Pick<JobIO, "jobId" | "signal" | "services">,
  source: Pick<SourceVm, "hostId" | "vmRef">,
  plan: () => Promise<CapturePlan>,
): Promise<Reading> {
  const { db } = io.services;
  for (const late = Date.now() + SNAPSHOT_MS; ; ) {
    const before = await patiently(() => otherSnapshots(db, io.jobId, source));
    const patient = Date.now() < late;
    if (patient && before.some(({ state }) => state === "planned")) {
      await delay(SNAPSHOT_LOOK_MS, undefined, { signal: io.signal }).catch(() => io.signal.throwIfAborted());
      continue;
    }
    const planned = await plan();
    const seqs = await patiently(() =>
      db.transaction(async (tx) => {
        // Of two that look and enter at the same time the second sees what the first has entered.
        await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`read ${source.hostId} ${source.vmRef}`}))`);
        const now = await otherSnapshots(tx, io.jobId, source);
        if (patient && planned.ofSnapshot && JSON.stringify(now) !== JSON.stringify(before)) return null;
        const entered: number[] = [];
        for (const resource of planned.resources) entered.push(await enter(tx, io.jobId, source.hostId, resource));
        return entered;
      }),
    );
    if (seqs !== null) return { plan: planned, seqs };
  }
}

/** Entries of snapshots that other running deploys and captures of the VM have on its host. */
async function otherSnapshots(db: Db, jobId: string, source: Pick<SourceVm, "hostId" | "vmRef">) {
  return db
    .select({ seq: ledger.seq, state: ledger.state })
    .from(ledger)
    .innerJoin(jobs, eq(jobs.id, ledger.jobId))
    .leftJoin(requestTargets, eq(requestTargets.jobId, jobs.id))
    .leftJoin(requests, eq(requests.id, requestTargets.requestId))
    .where(
      and(
        ne(ledger.jobId, jobId),
        eq(ledger.hostId, source.hostId),
        eq(ledger.kind, "snapshot"),
        inArray(jobs.state, ["running", "cancelling"]),
        or(readsVm(source), capturesVm(source)),
      ),
    )
    .orderBy(ledger.seq);
}

const readsVm = ({ hostId, vmRef }: Pick<SourceVm, "hostId" | "vmRef">) =>
  and(
    sql`${requests.plan} -> 'source' ->> 'hostId' = ${hostId}`,
    sql`${requests.plan} -> 'source' ->> 'vmRef' = ${vmRef}`,
  );

const capturesVm = ({ hostId, vmRef }: Pick<SourceVm, "hostId" | "vmRef">) =>
  and(
    eq(jobs.kind, "image.capture"),
    sql`${jobs.input} ->> 'hostId' = ${hostId}`,
    sql`${jobs.input} ->> 'vmRef' = ${vmRef}`,
  );

/** How far other running deploys of the VM have come; empty: there are none. */
async function otherReaders(db: Db, jobId: string, source: Pick<SourceVm, "hostId" | "vmRef">) {
  const rows = await db
    .select({ id: jobs.id, progress: jobs.progress, stages: jobs.stages })
    .from(requestTargets)
    .innerJoin(requests, eq(requests.id, requestTargets.requestId))
    .innerJoin(jobs, eq(jobs.id, requestTargets.jobId))
    .where(and(ne(jobs.id, jobId), inArray(jobs.state, ["running", "cancelling"]), readsVm(source)))
    .orderBy(jobs.id);
  return rows
    .map(({ id, progress, stages }) => `${id} ${stages.find(({ state }) => state === "running")?.id} ${progress?.done}`)
    .join("\n");
}
