/** Job `image.capture`: a VM's disk becomes a version. What reading it needs on the host stands in the ledger. */
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
  diskId: z.string(),
  fileName: z.string(),
});

const TASK = new URL("../../transfer/tasks/capture-disk.task.ts", import.meta.url);
const STALL_MS = 300_000;
const HOST_MS = 60_000;

export const captureHandler: JobHandler = async (io) => {
  const input = Input.parse(io.input);
  const { services } = io;
  const done = await fillVersion(io, input.versionId, "Reading the disk from its host", async (_version, folder) => {
    const { row, target, secret } = await loadHostAccess(services, input.hostId);
    if (io.attempt > 1) await cleanUp(io, input.hostId, row.name);
    const free = await (await openLibrary(services)).free();
    const { vmRef, diskId, fileName } = input;
    const tag = io.jobId;
    const needed = await bounded(io.signal, HOST_MS, `Asking ${row.name} for the disk`, (signal) =>
      withHost(services, input.hostId, (adapter) => adapter.planCapture(vmRef, diskId, tag, signal), signal),
    );
    for (const resource of needed) await enter(services.db, io.jobId, input.hostId, resource);
    const ofSnapshot = needed.some(({ kind }) => kind === "snapshot");
    try {
      return await read();
    } finally {
      // A worker that stops leaves it to the next attempt, as all that it made.
      if (!isStopping(io.signal)) await cleanUp(io, input.hostId, row.name);
    }

    async function read() {
      const captured = await runInThread<CaptureInput, Captured, { done: number; total: number; moved: number }>(
        TASK,
        { target, secret, dataDir: services.dataDir, vmRef, diskId, tag, ofSnapshot, folder, fileName, free },
        { signal: io.signal, onProgress: (progress) => io.progress(progress), stallAfter: STALL_MS },
      );
      return { ...captured, fileNames: [fileName] };
    }
  });
  const stored = done?.analysis.disks[0]?.fingerprint ?? null;
  if (done === null || done.filled.fingerprint === stored) return;
  const error = new AppError(
    "internal",
    "image.capture-differs",
    "The captured file does not hold the disk that was read from the host.",
    {
      hint: "The library's disk may be failing. Remove this version and capture the disk again.",
      details: { read: done.filled.fingerprint, stored },
    },
  );
  const found = await loadVersion(services, input.versionId);
  if (found !== null) await finishFailed(services, found.version, errorToJson(error));
  throw error;
};
