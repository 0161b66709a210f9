/** How a method of Hyper-V ends: at once, or with a job that is followed. Source: Msvm_ConcreteJob, JobState. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { type CimInstance, type CimRef, number, reference, text } from "#lib/wire/wsman/cim.ts";
import type { HypervSession } from "./session.ts";

const STARTED = 4096;
const POLL_MS = 150;
const SLOWEST_POLL_MS = 1500;
const COMPLETED = 7;
const WITH_WARNINGS = 32768;
const TERMINATE = 4;
const TERMINATE_MS = 1000;

const RETURN_VALUE: Readonly<Record<number, string>> = {
  32768: "it failed on the host",
  32769: "access was denied",
  32770: "it is not supported",
  32771: "the state is unknown",
  32772: "it timed out on the host",
  32773: "a parameter is invalid",
  32774: "the object is in use",
  32775: "the virtual machine is in a state that does not allow it",
  32776: "the data has another type",
  32777: "the host has no memory left",
};

function refused(doing: string, why: string, code = "host.refused"): AppError {
  return new AppError("unprocessable", code, `${doing} failed: ${why}`);
}

/** Whoever waits has no more time, which says nothing against what he waits for. */
const isOutOfTime = (signal: AbortSignal): boolean =>
  signal.reason instanceof DOMException && signal.reason.name === "TimeoutError";

/**
 * Throws `host.refused` with the host's own words, `host.forbidden`, `host.timeout` for a job that stands still. An abort
 * ends the job as well, where the host lets it be ended. `outlives`: the job goes on when the signal's time was over.
 */
export async function followJob(
  session: HypervSession,
  output: CimInstance,
  doing: string,
  signal?: AbortSignal,
  outlives = false,
): Promise<void> {
  const value = number(output, "ReturnValue") ?? 0;
  if (value === 0) return;
  if (value !== STARTED) {
    const why = RETURN_VALUE[value] ?? `the host answered ${value}`;
    throw refused(doing, `${why}.`, value === 32769 ? "host.forbidden" : "host.refused");
  }
  const job = reference(output, "Job");
  if (job === null) throw refused(doing, "the host started a job and did not say which.");
  try {
    await untilDone(session, job, doing, signal);
  } catch (error) {
    if (signal?.aborted === true && !(outlives && isOutOfTime(signal))) {
      await session
        .start(job, "RequestStateChange", { RequestedState: TERMINATE }, doing, AbortSignal.timeout(TERMINATE_MS))
        // Some jobs go on to their end; what they make is in the ledger.
        .catch(() => undefined);
    }
    throw error;
  }
}

async function untilDone(session: HypervSession, job: CimRef, doing: string, signal?: AbortSignal): Promise<void> {
  const id = (job.keys["InstanceID"] ?? "").replaceAll("'", "");
  let wait = POLL_MS;
  let percent = -1;
  let movedAt = Date.now();
  for (;;) {
    const [now] = await session.query(
      job.namespace,
      `SELECT * FROM ${job.className} WHERE InstanceID = '${id}'`,
      doing,
      signal,
    );
    // Jobs are forgotten a while after they ended.
    if (now === undefined) return;
    const state = number(now, "JobState") ?? 0;
    if (state === COMPLETED || state === WITH_WARNINGS) return;
    if (state > COMPLETED) {
      const words =
        text(now, "ErrorSummaryDescription") ?? text(now, "ErrorDescription") ?? `the job ended in state ${state}`;
      throw refused(doing, words.trim());
    }
    const reached = number(now, "PercentComplete") ?? 0;
    if (reached !== percent) {
      percent = reached;
      movedAt = Date.now();
    } else if (Date.now() - movedAt > session.stuckAfter) {
      throw new AppError(
        "unavailable",
        "host.timeout",
        `${doing}: the host's job stands at ${percent} % and gets no further.`,
        {
          hint: "Look at the host's Hyper-V-VMMS event log.",
        },
      );
    }
    await delay(wait, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw signal?.reason;
    });
    wait = Math.min(SLOWEST_POLL_MS, wait * 1.5);
  }
}
