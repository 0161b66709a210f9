/** Job `image.capture`: a VM becomes a version, its disks all of one moment. What reading them needs on the host stands in the ledger. */
import { z } from "zod";
import { ContainerKind } from "#lib/domain/container.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import type { CapturePlan } from "#lib/hypervisor/adapter.ts";
import { loadHostAccess } from "#lib/inventory/host-access.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import type { JobHandler, JobIO } from "#lib/jobs/runner.ts";
import { bounded } from "#lib/provisioning/bounded.ts";
import { cleanUp } from "#lib/provisioning/clean-up.ts";
import { planInTurn } from "#lib/provisioning/in-turn.ts";
import { markMadeAside } from "#lib/provisioning/ledger.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { Captured, CaptureInput } from "../capture-image.ts";
import type { PackageInput } from "../capture-package.ts";
import { openLibrary } from "../store.ts";
import { finishFailed, loadVersion } from "../version-state.ts";
import { fillVersion } from "./fill-version.ts";
import { isStopping } from "./run-analysis.ts";

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

export const captureHandler: JobHandler = async (io) => {
  const input = Input.parse(io.input);
  const { services } = io;
  const done = await fillVersion(io, input.versionId, labelOf(input), async (_version, folder) => {
    const { row, target, secret } = await loadHostAccess(services, input.hostId);
    if (io.attempt > 1) await cleanUp(io, input.hostId, row.name);
    const free = await (await openLibrary(services)).free();
    const { vmRef } = input;
    const wanted = input.disks.map(({ diskId }) => diskId);
    const { plan, seqs } = await planInTurn(io, input, () =>
      bounded(io.signal, HOST_MS, `Asking ${row.name} for the VM's disks`, (signal) =>
        withHost(services, input.hostId, (adapter) => adapter.planCapture(vmRef, wanted, io.jobId, signal), signal),
      ),
    );
    // The first of its bytes: what reading needs has been made.
    let made: Promise<unknown> | null = null;
    const begun = (): void => void (made ??= markMadeAside(services.db, seqs));
    const reading: Reading = { target, secret, dataDir: services.dataDir, vmRef, plan, folder, free };
    try {
      const files = await read(io, input, reading, begun);
      await made;
      return files;
    } finally {
      // A worker that stops leaves it to the next attempt, as all that it made.
      if (!isStopping(io.signal)) await cleanUp(io, input.hostId, row.name);
    }
  });
  const fingerprints = done?.filled.fingerprints ?? null;
  if (done === null || fingerprints === null) return;
  const stored = done.analysis.disks.map(({ fingerprint }) => fingerprint);
  if (stored.length === fingerprints.length && fingerprints.every((each, i) => each === stored[i])) return;
  const error = new AppError(
    "internal",
    "image.capture-differs",
    "The captured files do not hold the disks that were read from the host.",
    {
      hint: "The library's disk may be failing. Remove this version and capture the VM again.",
      details: { read: fingerprints, stored },
    },
  );
  const found = await loadVersion(services, input.versionId);
  if (found !== null) await finishFailed(services, found.version, errorToJson(error));
  throw error;
};

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
  const { fingerprints } = await runInThread<CaptureInput, Captured, Parameters<typeof thread.onProgress>[0]>(
    DISKS_TASK,
    { ...reading, disks },
    thread,
  );
  return { fileNames: disks.map(({ fileName }) => fileName), fingerprints };
}
