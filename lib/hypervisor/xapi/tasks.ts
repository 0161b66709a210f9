/** Tasks of the pool, followed to their end: only they tell whether something succeeded. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import type { XapiSession } from "./session.ts";
import { asAppError, XapiFailure } from "./xapi-error.ts";

const Task = z.object({
  status: z.string(),
  progress: z.coerce.number().catch(0),
  result: z.string().catch(""),
  error_info: z.array(z.string()).catch([]),
});

const FIRST_POLL_MS = 40;
const MOST_POLL_MS = 1000;
const BUSY_MS = 250;
/** Answers of the API that are not looked at. */
export const ANYTHING = z.unknown();

export interface FollowOptions {
  /** For messages: `Starting web01`. */
  readonly doing: string;
  /** Without progress for so long it counts as stuck: it is cancelled, and `host.timeout` thrown. */
  readonly stallMs: number;
  readonly signal?: AbortSignal;
  /** When the time for waiting is over it goes on: a start, a shut-down. */
  readonly goesOn?: boolean;
}

/**
 * Tasks that are silent by design, and how many times longer that may be. xenopsd reports when a step ends, and one step
 * is a guest's way down, for which it allows 20 minutes and more; others are a domain of hundreds of gigabytes, or the
 * disks of one detached from slow storage. Source: xapi, `domain_shutdown_total_timeout`.
 */
const SILENT: Readonly<Record<string, number>> = {
  "VM.clean_shutdown": 12.5,
  "VM.clean_reboot": 12.5,
  "VM.start": 5,
  "VM.resume": 5,
  "VM.hard_shutdown": 5,
  "VM.hard_reboot": 5,
  "VM.snapshot": 5,
};

const isLate = (reason: unknown): boolean => reason instanceof Error && reason.name === "TimeoutError";

/** Answers with the task's result. Throws what the task failed of, `host.timeout`, and cancels it when the signal aborts. */
export async function followTask(session: XapiSession, task: string, options: FollowOptions): Promise<string> {
  const { doing, stallMs, signal } = options;
  let progress = -1;
  let movedAt = Date.now();
  try {
    for (let pause = FIRST_POLL_MS; ; pause = Math.min(MOST_POLL_MS, pause * 1.5)) {
      const now = await session.call("task.get_record", [task], Task, signal);
      if (now.status === "success") return now.result;
      if (now.status === "failure")
        throw new XapiFailure(now.error_info[0] ?? "INTERNAL_ERROR", now.error_info.slice(1));
      if (now.status === "cancelled") throw new XapiFailure("TASK_CANCELLED", []);
      if (now.progress !== progress) {
        progress = now.progress;
        movedAt = Date.now();
      }
      if (Date.now() - movedAt > stallMs) {
        throw new AppError(
          "unavailable",
          "host.timeout",
          `${doing}: the task on ${session.name} stays pending; nothing happened for ${Math.round(stallMs / 1000)} s.`,
          { hint: "Look for it with `xe task-list` on the pool's master. It was told to cancel." },
        );
      }
      await delay(pause, undefined, signal === undefined ? {} : { signal });
    }
  } catch (error) {
    const left = options.goesOn === true && signal?.aborted === true && isLate(signal.reason);
    if (!(error instanceof XapiFailure) && !left) await cancelTask(session, task);
    signal?.throwIfAborted();
    throw asAppError(error, doing);
  }
}

/** Tells it to stop and waits a moment until it has; whether it can is the host's matter. */
export async function cancelTask(session: XapiSession, task: string): Promise<void> {
  const limit = AbortSignal.timeout(1500);
  try {
    await session.call("task.cancel", [task], ANYTHING, limit);
    for (;;) {
      const { status } = await session.call("task.get_record", [task], Task, limit);
      if (status !== "pending" && status !== "cancelling") return;
      await delay(FIRST_POLL_MS, undefined, { signal: limit });
    }
  } catch {
    // It is gone, or cannot be cancelled: what it makes is removed by its name.
  }
}

export async function destroyTask(session: XapiSession, task: string): Promise<void> {
  await session.call("task.destroy", [task], ANYTHING, AbortSignal.timeout(2000)).catch(() => undefined);
}

/** A call that takes its time, as a task. Answers with the reference it gave, or "". */
export async function runTask(
  session: XapiSession,
  method: string,
  params: readonly unknown[],
  options: FollowOptions,
): Promise<string> {
  let task: string;
  try {
    task = await session.call(`Async.${method}`, params, z.string(), options.signal);
  } catch (error) {
    throw asAppError(error, options.doing);
  }
  const stallMs = options.stallMs * (SILENT[method] ?? 1);
  let left = false;
  try {
    // The result is an XML-RPC value around the reference.
    return /OpaqueRef:[0-9A-Za-z-]+/.exec(await followTask(session, task, { ...options, stallMs }))?.[0] ?? "";
  } catch (error) {
    left = options.goesOn === true && isLate(error);
    throw error;
  } finally {
    // A task without its record could not be looked for on the host any more; the pool forgets it a day after its end.
    if (!left) await destroyTask(session, task);
  }
}

/** Gone already is fine. A transfer that was just broken off holds the thing for a moment. */
export async function destroyWhenFree(
  session: XapiSession,
  method: "VDI.destroy" | "VM.destroy",
  ref: string,
  options: FollowOptions,
): Promise<void> {
  const { stallMs, signal } = options;
  const until = Date.now() + stallMs;
  for (;;) {
    try {
      await runTask(session, method, [ref], options);
      return;
    } catch (error) {
      const code = error instanceof AppError ? String(error.details?.["code"]) : "";
      if (code === "HANDLE_INVALID") return;
      if (!["VDI_IN_USE", "OTHER_OPERATION_IN_PROGRESS"].includes(code) || Date.now() > until) throw error;
      await delay(BUSY_MS, undefined, signal === undefined ? {} : { signal }).catch((reason: unknown) => {
        throw signal?.aborted === true ? signal.reason : reason;
      });
    }
  }
}
