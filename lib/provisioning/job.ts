/** The deploy of one target: steps in order, each undone by the ledger when a later one fails. */
import type { Receipt, StageId } from "#lib/domain/request.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import type { JobHandler, JobIO } from "#lib/jobs/runner.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { cleanUp } from "./clean-up.ts";
import { loadTarget, openDeployment, type Deployment, type SentDisk } from "./deployment.ts";
import { keepAll } from "./ledger.ts";
import { settleTarget, type TargetOutcome } from "./settle.ts";
import { endReading, planReading } from "./source.ts";
import { check } from "./steps/check.ts";
import { makeVm, startVm } from "./steps/make-vm.ts";
import { planDisks, sendDisk } from "./steps/send-disk.ts";
import { verifyDisk } from "./steps/verify-disk.ts";

export const deployHandler: JobHandler = async (io) => {
  const row = await loadTarget(io);
  // The attempt before this one had succeeded and died before it could say so to the queue.
  if (row.target.status === "succeeded") return;
  const { source } = row.request.plan;
  // The source last: what is made there is the first.
  const touched = new Map([[row.target.hostId, row.request.plan.targets[row.target.position]?.hostName ?? "the host"]]);
  if (source !== undefined && !touched.has(source.hostId)) touched.set(source.hostId, source.hostName);
  const takeBack = async (): Promise<string[]> => {
    const left: string[] = [];
    for (const [hostId, hostName] of touched) left.push(...(await cleanUp(io, hostId, hostName)));
    if (left.length > 0) await io.stage("clean-up", "failed");
    return left;
  };
  const settle = async (outcome: TargetOutcome): Promise<void> => {
    await io.services.db.transaction((tx) => settleTarget(tx, row.target.id, outcome));
    io.services.events.publish({ type: "request", id: row.request.id });
    io.services.events.publish({ type: "audit" });
  };
  try {
    await settle({ status: "running" });
    if (io.attempt > 1) {
      await io.log(
        "warn",
        "The worker before this one stopped in the middle: what it made is removed, and the work begins anew.",
      );
      const left = await takeBack();
      if (left.length > 0) throw leftBehind(left);
    }
    io.signal.throwIfAborted();
    const deployment = await openDeployment(io, row);
    touched.set(row.target.hostId, deployment.hostName);
    if (deployment.source !== null) touched.set(deployment.source.hostId, deployment.source.hostName);
    const { receipt, passing } = await deploy(deployment);
    await io.services.db.transaction(async (tx) => {
      await keepAll(tx, io.jobId, passing);
      await settleTarget(tx, row.target.id, { status: "succeeded", error: null, receipt, vmRef: receipt.vmRef });
    });
    io.services.events.publish({ type: "request", id: row.request.id });
    io.services.events.publish({ type: "audit" });
  } catch (error) {
    // This worker is going: the next one cleans up and begins anew.
    if (error instanceof AppError && error.code === "worker.stopping") throw error;
    if (io.signal.reason instanceof AppError && io.signal.reason.code === "worker.stopping") throw error;
    const left = await takeBack();
    const cancelled = io.signal.aborted;
    const shown = errorToJson(cancelled ? io.signal.reason : error);
    const final = left.length === 0 ? shown : { ...shown, hint: leftBehind(left).message };
    await settle({ status: cancelled ? "cancelled" : "failed", error: final });
    throw left.length === 0
      ? error
      : new AppError(shown.kind, shown.code, shown.message, { hint: leftBehind(left).message, cause: error });
  }
};

function leftBehind(left: readonly string[]): AppError {
  return new AppError(
    "unavailable",
    "host.left-behind",
    `Still there: ${left.join("; ")}. It is removed as soon as the host can be reached again.`,
  );
}

/** Marks the stage as running, then as done or failed, around its work. */
async function stage<T>(io: JobIO, id: StageId, work: () => Promise<T>): Promise<T> {
  io.signal.throwIfAborted();
  await io.stage(id, "running");
  try {
    const result = await work();
    await io.stage(id, "done");
    return result;
  } catch (error) {
    await io.stage(id, "failed");
    throw error;
  }
}

/** `passing`: entries of the ledger that were made for the reading alone, and are not the user's. */
async function deploy(approved: Deployment): Promise<{ receipt: Receipt; passing: readonly number[] }> {
  const { io, target, source, hostName } = approved;
  const started = Date.now();
  const sizes = await stage(io, "check", () => check(approved));
  const disks = approved.disks.map((disk, index) => ({ ...disk, virtualSize: sizes[index] ?? disk.virtualSize }));
  const deployment: Deployment = { ...approved, disks };
  const { planned, reading } = await stage(io, "create-disk", async () => ({
    reading: source === null ? null : await planReading(io, source, disks),
    planned: await planDisks(deployment),
  }));
  const total = disks.reduce((sum, disk) => sum + disk.virtualSize, 0);

  const sent: SentDisk[] = [];
  await stage(io, "transfer", async () => {
    for (const disk of planned) {
      const before = {
        done: sent.reduce((sum, s) => sum + s.virtualSize, 0),
        moved: sent.reduce((sum, s) => sum + s.moved, 0),
      };
      sent.push(
        await sendDisk(deployment, disk, reading, (report) =>
          io.progress({ done: before.done + report.done, total, moved: before.moved + report.moved }),
        ),
      );
    }
  });
  const left = source === null || reading === null ? [] : await endReading(io, source, reading);
  const moved = sent.reduce((sum, disk) => sum + disk.moved, 0);
  const seconds = (Date.now() - started) / 1000;

  const canReadBack = await withHost(
    io.services,
    target.hostId,
    async (adapter) => adapter.capabilities.canReadBack,
    io.signal,
  );
  const readBack: string[] = [];
  if (canReadBack) {
    await stage(io, "verify", async () => {
      let done = 0;
      for (const disk of sent) {
        const before = done;
        readBack.push(
          await verifyDisk(deployment, disk, (report) =>
            io.progress({ done: before + report.done, total, moved: before + report.moved }),
          ),
        );
        done += disk.virtualSize;
      }
    });
  } else {
    await io.stage("verify", "skipped");
  }
  const vm = await stage(io, "create-vm", () => makeVm(deployment, sent));
  if (target.choice.start) await stage(io, "start-vm", () => startVm(deployment, vm));
  const notes = [
    ...(canReadBack ? [] : [`${hostName} cannot give the bytes of a disk back, so they were not compared.`]),
    ...(left.length === 0 ? [] : [leftBehind(left).message]),
  ];
  const receipt: Receipt = {
    imageFingerprint: sent.map((disk) => disk.fingerprint).join(" "),
    targetFingerprint: canReadBack ? readBack.join(" ") : null,
    equal: canReadBack ? readBack.every((fingerprint, index) => fingerprint === sent[index]?.fingerprint) : null,
    format: target.choice.diskFormat,
    virtualSize: sent.reduce((sum, disk) => sum + disk.virtualSize, 0),
    bytesMoved: moved,
    seconds,
    vmRef: vm.ref,
    vmName: vm.name,
    diskRef: sent.map((disk) => disk.resource.ref).join(", "),
    note: notes.length === 0 ? null : notes.join(" "),
    ...(source === null || reading === null
      ? {}
      : {
          source: {
            hostName: source.hostName,
            vmName: source.vmName,
            moment: reading.plan.ofSnapshot ? "snapshot" : "stopped",
            at: sent[0]?.openedAt ?? new Date(started).toISOString(),
          },
        }),
  };
  return { receipt, passing: reading?.seqs ?? [] };
}
