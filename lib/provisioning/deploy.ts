/** The work of one deploy, from what was approved to the receipt. */
import type { Vm } from "#lib/domain/inventory.ts";
import type { Receipt, StageId } from "#lib/domain/request.ts";
import { errorToJson } from "#lib/errors.ts";
import { isOurTrouble } from "#lib/jobs/patience.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import type { Deployment, SentDisk } from "./deployment.ts";
import { endReading, planReading } from "./source.ts";
import { check } from "./steps/check.ts";
import { makeVm, startVm } from "./steps/make-vm.ts";
import { planDisks, sendDisk } from "./steps/send-disk.ts";
import { verifyDisk } from "./steps/verify-disk.ts";

export interface Deployed {
  readonly receipt: Receipt;
  /** Entries of the ledger that were made for the reading alone, and are not the user's. */
  readonly passing: readonly number[];
}

/** Marks the stage as running, then as done or failed, around its work. */
async function stage<T>(io: JobIO, id: StageId, work: () => Promise<T>): Promise<T> {
  io.signal.throwIfAborted();
  await io.stage(id, "running");
  try {
    const result = await work();
    await mark(io, id, "done");
    return result;
  } catch (error) {
    await mark(io, id, "failed");
    throw error;
  }
}

/** What was done is done, whether or not the database takes the mark now: the next one brings this one along. */
async function mark(io: JobIO, id: StageId, state: "running" | "done" | "failed"): Promise<void> {
  await io.stage(id, state).catch((error: unknown) => {
    if (!isOurTrouble(error)) throw error;
  });
}

/** Answers with what there is to say of a machine that was made and does not run. */
async function tryStart(deployment: Deployment, vm: Vm): Promise<string[]> {
  const { io, hostName } = deployment;
  io.signal.throwIfAborted();
  await mark(io, "start-vm", "running");
  try {
    await startVm(deployment, vm);
    await mark(io, "start-vm", "done");
    return [];
  } catch (error) {
    await mark(io, "start-vm", "failed");
    io.signal.throwIfAborted();
    const { kind, message } = errorToJson(error);
    if (kind === "internal") io.services.log.error({ err: error, jobId: io.jobId }, "a VM could not be started");
    const note = `${vm.name} was made, but its start on ${hostName} was not seen to succeed: ${message}`;
    await io.log("warn", note).catch(() => undefined);
    return [note];
  }
}

/**
 * Up to the VM's definition a step that fails ends the deploy. From then on the machine is there, and whole: what fails
 * or takes long becomes a note on its receipt. Only a cancel still takes it back.
 */
export async function deploy(approved: Deployment): Promise<Deployed> {
  const { io, target, source, hostName } = approved;
  const started = Date.now();
  const { sizes, canReadBack } = await stage(io, "check", () => check(approved));
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
  const notes = [
    ...(target.choice.start ? await tryStart(deployment, vm) : []),
    ...new Set(sent.flatMap(({ note }) => note ?? [])),
    ...(canReadBack ? [] : [`${hostName} cannot give the bytes of a disk back, so they were not compared.`]),
    ...(left.length === 0 ? [] : [`Still there: ${left.join("; ")}. It is removed as soon as its host allows.`]),
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
