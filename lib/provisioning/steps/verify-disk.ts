/** Reads a disk back from the host and compares its fingerprint with the image's. */
import { AppError } from "#lib/errors.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { TransferReport } from "#lib/transfer/tasks/deploy-disk.task.ts";
import type { FingerprintTargetInput } from "#lib/transfer/tasks/fingerprint-target.task.ts";
import type { Deployment, SentDisk } from "../deployment.ts";

const TASK = new URL("../../transfer/tasks/fingerprint-target.task.ts", import.meta.url);
const STALL_MS = 120_000;

/** Throws `verify.mismatch`. */
export async function verifyDisk(
  { io, target, access, hostName }: Deployment,
  sent: SentDisk,
  onProgress: (report: TransferReport) => void,
): Promise<string> {
  const input: FingerprintTargetInput = {
    target: access.target,
    secret: access.secret,
    dataDir: io.services.dataDir,
    resource: sent.resource,
    format: target.choice.diskFormat,
  };
  const { fingerprint } = await runInThread<FingerprintTargetInput, { fingerprint: string }, TransferReport>(
    TASK,
    input,
    { signal: io.signal, stallAfter: STALL_MS, onProgress },
  );
  if (fingerprint !== sent.fingerprint) {
    throw new AppError(
      "unprocessable",
      "verify.mismatch",
      `What ${hostName} gives back of ${sent.resource.label} differs from the image.`,
      {
        hint: "The disk was removed again. Check the host's storage before you ask anew.",
        details: { expected: sent.fingerprint, found: fingerprint },
      },
    );
  }
  return fingerprint;
}
