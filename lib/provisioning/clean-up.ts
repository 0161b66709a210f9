/** Takes back what a job has made so far on a host, by the ledger alone. */
import { setTimeout as delay } from "node:timers/promises";
import { dropSession, withHost } from "#lib/inventory/sessions.ts";
import { tellsOfAbsence } from "#lib/jobs/host-wait.ts";
import { isOurTrouble } from "#lib/jobs/patience.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { openEntries, undoEntries, type LedgerEntry, type UndoOutcome } from "./ledger.ts";

/** Not the job's own signal: that one is what has just been aborted. */
const CLEAN_UP_MS = 120_000;
/** A session that is just being opened again is worth this long. */
const PATIENCE_MS = 10_000;
/** Who has cancelled is not kept waiting for a host that does not answer: the sweep comes back for what is left. */
const ANSWER_MS = 2000;
const LOOK_MS = 250;
/** What a host does not remove at once, because the transfer still holds it, it removes a moment later. */
const PAUSES_MS = [1000, 3000];
const NOBODY = "00000000-0000-0000-0000-000000000000";

export interface CleanUp {
  /** One line per thing that is still there; empty: nothing is left. */
  readonly left: readonly string[];
  /** Set when it is still there because the host does not answer. */
  readonly absent: AppError | null;
}

/** Throws the database's errors. */
export async function cleanUp(io: JobIO, hostId: string, hostName: string): Promise<CleanUp> {
  const { db } = io.services;
  const entries = await openEntries(db, io.jobId, hostId);
  if (entries.length === 0) return { left: [], absent: null };
  await io.stage("clean-up", "running", `Removing what was made on ${hostName}`);
  const hurry = io.signal.aborted;
  const signal = AbortSignal.timeout(CLEAN_UP_MS);
  try {
    const { removed, left } = await withHost(
      io.services,
      hostId,
      async (adapter) => {
        if (hurry) await requireAnswer(adapter, hostName);
        return undoStubbornly(io, entries, adapter, signal);
      },
      hurry ? AbortSignal.timeout(2 * ANSWER_MS + CLEAN_UP_MS) : signal,
      hurry ? ANSWER_MS : PATIENCE_MS,
    );
    for (const entry of removed) await io.log("info", `Removed ${entry.label}.`);
    for (const { entry, error } of left)
      await io.log("error", `${entry.label} could not be removed: ${errorToJson(error).message}`);
    await io.stage("clean-up", left.length === 0 ? "done" : "failed");
    return {
      left: left.map(({ entry }) => `${entry.label} on ${hostName}`),
      absent: left.map(({ error }) => error).find(tellsOfAbsence) ?? null,
    };
  } catch (error) {
    if (isOurTrouble(error)) throw error;
    // The session that does not answer is not for others either.
    if (hurry && tellsOfAbsence(error)) dropSession(db, hostId, error);
    // The host cannot be reached: the sweep tries again when it is back.
    await io.log("error", `${hostName} could not be cleaned up: ${errorToJson(error).message}`);
    await io.stage("clean-up", "failed");
    return {
      left: entries.map((entry) => `${entry.label} on ${hostName}`),
      absent: tellsOfAbsence(error) ? error : null,
    };
  }
}

/** Any answer will do, also that there is no such VM. */
async function requireAnswer(adapter: HypervisorAdapter, hostName: string): Promise<void> {
  const late = new AppError("unavailable", "host.timeout", `${hostName} did not answer within ${ANSWER_MS / 1000} s.`, {
    hint: "What is left on it is removed as soon as it answers.",
  });
  const silent = new AbortController();
  // Counted in looks, not by the clock: a process that is short of time itself must not blame the host.
  let looks = 0;
  const timer = setInterval(() => {
    if ((looks += 1) >= ANSWER_MS / LOOK_MS) silent.abort(late);
  }, LOOK_MS);
  try {
    await Promise.race([
      new Promise<never>((_, reject) => silent.signal.addEventListener("abort", () => reject(late), { once: true })),
      adapter.vm(NOBODY, silent.signal).catch((error: unknown) => {
        if (tellsOfAbsence(error)) throw error;
      }),
    ]);
  } finally {
    clearInterval(timer);
  }
}

async function undoStubbornly(
  io: JobIO,
  entries: readonly LedgerEntry[],
  adapter: HypervisorAdapter,
  signal: AbortSignal,
): Promise<UndoOutcome> {
  let outcome = await undoEntries(io.services.db, entries, adapter, signal);
  for (const pause of PAUSES_MS) {
    if (outcome.left.length === 0 || outcome.left.some(({ error }) => tellsOfAbsence(error))) break;
    await delay(pause);
    const again = await undoEntries(
      io.services.db,
      outcome.left.map(({ entry }) => entry),
      adapter,
      signal,
    );
    outcome = { removed: [...outcome.removed, ...again.removed], left: again.left };
  }
  return outcome;
}
