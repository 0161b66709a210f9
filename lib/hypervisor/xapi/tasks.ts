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
}

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
    if (!(error instanceof XapiFailure)) await cancelTask(session, task);
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
  try {
    // The result is an XML-RPC value around the reference.
    return /OpaqueRef:[0-9A-Za-z-]+/.exec(await followTask(session, task, options))?.[0] ?? "";
  } finally {
    await destroyTask(session, task);
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
