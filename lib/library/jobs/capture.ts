/** Job `image.capture`: a VM becomes a version, its disks all of one moment. What reading them needs on the host stands in the ledger. */
import { z } from "zod";
import { ContainerKind } from "#lib/domain/container.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import type { CapturePlan } from "#lib/hypervisor/adapter.ts";
import { loadHostAccess, type HostAccess } from "#lib/inventory/host-access.ts";
import { isLeft, type JobIO } from "#lib/jobs/handler.ts";
import { HostAway, tellsOfAbsence } from "#lib/jobs/host-wait.ts";
import { patiently } from "#lib/jobs/patience.ts";
import { cleanUp } from "#lib/provisioning/clean-up.ts";
import { planInTurn } from "#lib/provisioning/in-turn.ts";
import { markMadeAside } from "#lib/provisioning/ledger.ts";
import { onHost } from "#lib/provisioning/on-host.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { Captured, CaptureInput } from "../capture-image.ts";
import type { PackageInput } from "../capture-package.ts";
import { openLibrary } from "../store.ts";
import { fillVersion } from "./fill-version.ts";
import { versionJob } from "./version-job.ts";

const Input = z.object({
  versionId: z.uuid(),
  hostId: z.uuid(),
  vmRef: z.string(),
  /** Of a package these are all disks that the VM has; then no file is of one of them alone. */
  disks: z.array(z.object({ diskId: z.string(), fileName: z.string() })).min(1),
  package: z.object({ kind: ContainerKind, fileName: z.string() }).nullable().default(null),
});
type Input = z.infer<typeof Input>;

const DISKS_TASK = new URL("../../transfer/tasks/capture-vm.task.ts", import.meta.url);
const PACKAGE_TASK = new URL("../../transfer/tasks/capture-package.task.ts", import.meta.url);
const STALL_MS = 300_000;
const HOST_MS = 60_000;

/** What both tasks are given. */
interface Reading {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly dataDir: string;
  readonly vmRef: string;
  readonly plan: CapturePlan;
  readonly folder: string;
  readonly free: number;
}

interface Read {
  readonly fileNames: readonly string[];
  /** Of the disks as they were read; null: a package, which analysis opens first. */
  readonly fingerprints: readonly string[] | null;
}

export const captureHandler = versionJob(async (io) => {
  const input = Input.parse(io.input);
  const done = await fillVersion(io, input.versionId, labelOf(input), async (_version, folder) => {
    const access = await patiently(() => loadHostAccess(io.services, input.hostId));
    const host = { id: input.hostId, name: access.row.name };
    try {
      return await readVm(io, input, access, folder);
    } catch (error) {
      // A worker that stops leaves it to the next attempt, as all that it made.
      if (isLeft(io, error) || error instanceof HostAway) throw error;
      await cleanUp(io, host.id, host.name);
      if (tellsOfAbsence(error) && !io.signal.aborted) throw new HostAway(host, error);
      throw error;
    }
  });
  if (done === null) return null;
  const { fingerprints } = done.filled;
  const stored = done.analysis.disks.map(({ fingerprint }) => fingerprint);
  if (
    fingerprints === null ||
    (stored.length === fingerprints.length && fingerprints.every((each, i) => each === stored[i]))
  )
    return done.analysis;
  throw new AppError(
    "internal",
    "image.capture-differs",
    "The captured files do not hold the disks that were read from the host.",
    {
      hint: "The library's disk may be failing. Remove this version and capture the VM again.",
      details: { read: fingerprints, stored },
    },
  );
});

/** What the host has shows as a file of its own; what reading made there is gone again, or stands in the ledger. */
async function readVm(io: JobIO, input: Input, { row, target, secret }: HostAccess, folder: string): Promise<Read> {
  const { services } = io;
  const { hostId, vmRef } = input;
  if (io.attempt > 1) {
    const { absent } = await cleanUp(io, hostId, row.name);
    if (absent !== null && !io.signal.aborted) throw new HostAway({ id: hostId, name: row.name }, absent);
  }
  const free = await (await openLibrary(services)).free();
  const wanted = input.disks.map(({ diskId }) => diskId);
  const { plan, seqs } = await planInTurn(io, input, () =>
    onHost(io, hostId, HOST_MS, `Asking ${row.name} for the VM's disks`, (adapter, signal) =>
      adapter.planCapture(vmRef, wanted, io.jobId, signal),
    ),
  );
  // The first of its bytes: what reading needs has been made.
  let made: Promise<unknown> | null = null;
  const begun = (): void => void (made ??= markMadeAside(services.db, seqs));
  const files = await read(io, input, { target, secret, dataDir: services.dataDir, vmRef, plan, folder, free }, begun);
  await made;
  // What could not be removed now is removed by the sweep: the disks are here.
  await cleanUp(io, hostId, row.name);
  return files;
}

function labelOf({ disks, package: packed }: Input): string {
  if (packed !== null) return "The host exports the VM";
  return disks.length === 1 ? "Reading the disk from its host" : `Reading ${disks.length} disks from their host`;
}

async function read(io: JobIO, { disks, package: packed }: Input, reading: Reading, begun: () => void): Promise<Read> {
  const thread = {
    signal: io.signal,
    onProgress: (progress: { done: number; total: number; moved: number }) => {
      begun();
      io.progress(progress);
    },
    stallAfter: STALL_MS,
  };
  if (packed !== null) {
    await runInThread<PackageInput, { moved: number }, Parameters<typeof thread.onProgress>[0]>(
      PACKAGE_TASK,
      { ...reading, ...packed },
      thread,
    );
    return { fileNames: [packed.fileName], fingerprints: null };
  }
  const { fingerprints, notes } = await runInThread<CaptureInput, Captured, Parameters<typeof thread.onProgress>[0]>(
    DISKS_TASK,
    { ...reading, disks },
    thread,
  );
  for (const note of notes) await io.log("warn", note).catch(() => undefined);
  return { fileNames: disks.map(({ fileName }) => fileName), fingerprints };
}
