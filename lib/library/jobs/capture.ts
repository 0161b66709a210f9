/** Job `image.capture`: disks of a VM become a version, all of one moment. What reading them needs on the host stands in the ledger. */
import { z } from "zod";
import { AppError, errorToJson } from "#lib/errors.ts";
import { loadHostAccess } from "#lib/inventory/host-access.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import type { JobHandler } from "#lib/jobs/runner.ts";
import { bounded } from "#lib/provisioning/bounded.ts";
import { cleanUp } from "#lib/provisioning/clean-up.ts";
import { enter } from "#lib/provisioning/ledger.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { Captured, CaptureInput } from "../capture-image.ts";
import { openLibrary } from "../store.ts";
import { finishFailed, loadVersion } from "../version-state.ts";
import { fillVersion } from "./fill-version.ts";
import { isStopping } from "./run-analysis.ts";

const Input = z.object({
  versionId: z.uuid(),
  hostId: z.uuid(),
  vmRef: z.string(),
  disks: z.array(z.object({ diskId: z.string(), fileName: z.string() })).min(1),
});

const TASK = new URL("../../transfer/tasks/capture-vm.task.ts", import.meta.url);
const STALL_MS = 300_000;
const HOST_MS = 60_000;

export const captureHandler: JobHandler = async (io) => {
  const input = Input.parse(io.input);
  const { services } = io;
  const done = await fillVersion(
    io,
    input.versionId,
    input.disks.length === 1 ? "Reading the disk from its host" : `Reading ${input.disks.length} disks from their host`,
    async (_version, folder) => {
      const { row, target, secret } = await loadHostAccess(services, input.hostId);
      if (io.attempt > 1) await cleanUp(io, input.hostId, row.name);
      const free = await (await openLibrary(services)).free();
      const { vmRef, disks } = input;
      const wanted = disks.map(({ diskId }) => diskId);
      const plan = await bounded(io.signal, HOST_MS, `Asking ${row.name} for the VM's disks`, (signal) =>
        withHost(services, input.hostId, (adapter) => adapter.planCapture(vmRef, wanted, io.jobId, signal), signal),
      );
      for (const resource of plan.resources) await enter(services.db, io.jobId, input.hostId, resource);
      try {
        return await read();
      } finally {
        // A worker that stops leaves it to the next attempt, as all that it made.
        if (!isStopping(io.signal)) await cleanUp(io, input.hostId, row.name);
      }

      async function read() {
        const captured = await runInThread<CaptureInput, Captured, { done: number; total: number; moved: number }>(
          TASK,
          { target, secret, dataDir: services.dataDir, vmRef, plan, disks, folder, free },
          { signal: io.signal, onProgress: (progress) => io.progress(progress), stallAfter: STALL_MS },
        );
        return { ...captured, fileNames: disks.map(({ fileName }) => fileName) };
      }
    },
  );
  if (done === null) return;
  const stored = done.analysis.disks.map(({ fingerprint }) => fingerprint);
  const read = done.filled.fingerprints;
  if (stored.length === read.length && read.every((each, i) => each === stored[i])) return;
  const error = new AppError(
    "internal",
    "image.capture-differs",
    "The captured files do not hold the disks that were read from the host.",
    {
      hint: "The library's disk may be failing. Remove this version and capture the VM again.",
      details: { read, stored },
    },
  );
  const found = await loadVersion(services, input.versionId);
  if (found !== null) await finishFailed(services, found.version, errorToJson(error));
  throw error;
};
