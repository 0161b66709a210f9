/** Takes back what a job has made so far on a host, by the ledger alone. */
import { withHost } from "#lib/inventory/sessions.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { errorToJson } from "#lib/errors.ts";
import { openEntries, undoEntries } from "./ledger.ts";

/** Not the job's own signal: that one is what has just been aborted. */
const CLEAN_UP_MS = 120_000;

/** Answers with one line a thing that is still there; empty: nothing is left. */
export async function cleanUp(io: JobIO, hostId: string, hostName: string): Promise<string[]> {
  const entries = await openEntries(io.services.db, io.jobId, hostId);
  if (entries.length === 0) return [];
  await io.stage("clean-up", "running", `Removing what was made on ${hostName}`);
  const signal = AbortSignal.timeout(CLEAN_UP_MS);
  try {
    const { removed, left } = await withHost(
      io.services,
      hostId,
      (adapter) => undoEntries(io.services.db, entries, adapter, signal),
      signal,
    );
    for (const entry of removed) await io.log("info", `Removed ${entry.label}.`);
    for (const { entry, error } of left)
      await io.log("error", `${entry.label} could not be removed: ${errorToJson(error).message}`);
    await io.stage("clean-up", left.length === 0 ? "done" : "failed");
    return left.map(({ entry }) => `${entry.label} on ${hostName}`);
  } catch (error) {
    // The host cannot be reached: the sweep tries again when it is back.
    await io.log("error", `${hostName} could not be cleaned up: ${errorToJson(error).message}`);
    await io.stage("clean-up", "failed");
    return entries.map((entry) => `${entry.label} on ${hostName}`);
  }
}
