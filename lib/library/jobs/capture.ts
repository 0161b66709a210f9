/** Job `image.capture`: a stopped VM's disk becomes a version. */
import { z } from "zod";
import { AppError, errorToJson } from "#lib/errors.ts";
import { loadHostAccess } from "#lib/inventory/host-access.ts";
import type { JobHandler } from "#lib/jobs/runner.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { Captured, CaptureInput } from "../capture-image.ts";
import { openLibrary } from "../store.ts";
import { finishFailed, loadVersion } from "../version-state.ts";
import { fillVersion } from "./fill-version.ts";

const Input = z.object({
  versionId: z.uuid(),
  hostId: z.uuid(),
  vmRef: z.string(),
  diskId: z.string(),
  fileName: z.string(),
});

const TASK = new URL("../../transfer/tasks/capture-disk.task.ts", import.meta.url);
const STALL_MS = 300_000;

export const captureHandler: JobHandler = async (io) => {
  const input = Input.parse(io.input);
  const { services } = io;
  const done = await fillVersion(io, input.versionId, "Reading the disk from its host", async (_version, folder) => {
    const { target, secret } = await loadHostAccess(services, input.hostId);
    const free = await (await openLibrary(services)).free();
    const { vmRef, diskId, fileName } = input;
    const captured = await runInThread<CaptureInput, Captured, { done: number; total: number; moved: number }>(
      TASK,
      { target, secret, dataDir: services.dataDir, vmRef, diskId, folder, fileName, free },
      { signal: io.signal, onProgress: (progress) => io.progress(progress), stallAfter: STALL_MS },
    );
    return { ...captured, fileNames: [fileName] };
  });
  if (done === null || done.filled.fingerprint === done.analysis.fingerprint) return;
  const error = new AppError(
    "internal",
    "image.capture-differs",
    "The captured file does not hold the disk that was read from the host.",
    {
      hint: "The library's disk may be failing. Remove this version and capture the disk again.",
      details: { read: done.filled.fingerprint, stored: done.analysis.fingerprint },
    },
  );
  const found = await loadVersion(services, input.versionId);
  if (found !== null) await finishFailed(services, found.version, errorToJson(error));
  throw error;
};
