/** Bulk work runs in a worker thread, so that a page never waits for a disk. */
import { Worker } from "node:worker_threads";
import { AppError, errorFromJson, errorToJson } from "#lib/errors.ts";
import type { FromTask, ToTask } from "./task.ts";

export interface ThreadOptions<P> {
  readonly signal: AbortSignal;
  /** Called on the main thread, at most ten times a second. */
  readonly onProgress?: (value: P) => void;
  /** No progress for this long (ms) ends the thread with `thread.stalled`. Absent: the task has its own time-outs. */
  readonly stallAfter?: number;
}

/** What a thread that was told to stop gets to put its things away: who cancels is not kept waiting for a silent host. */
const GRACE_MS = 2000;

/**
 * Runs a `*.task.ts` module in its own thread and answers what the task returned.
 *
 * The promise settles only when the thread is gone: whatever it held on a host or a disk is let go by then, so
 * an undo may follow at once. `input` goes by workerData (structured clone) and never into a message or a log.
 *
 * Throws what the task threw (as AppError), the signal's reason when it was aborted, `thread.stalled`
 * (unavailable), or `thread.died` (internal) when the thread ended without an answer.
 */
export async function runInThread<I, O, P = unknown>(module: URL, input: I, options: ThreadOptions<P>): Promise<O> {
  const { signal, onProgress, stallAfter } = options;
  signal.throwIfAborted();
  // Flags of this process (a test runner's loaders, an inspector's port) are not for the thread.
  const worker = new Worker(module, {
    workerData: input,
    execArgv: [],
    name: module.pathname.split("/").at(-1) ?? "task",
  });

  let answer: Extract<FromTask, { type: "done" | "failed" }> | null = null;
  let crash: unknown = null;
  let stopped: unknown = null;
  let grace: NodeJS.Timeout | null = null;
  let stall: NodeJS.Timeout | null = null;

  const stop = (reason: unknown) => {
    if (stopped !== null || answer !== null) return;
    stopped = reason;
    worker.postMessage({ type: "abort", reason: errorToJson(reason) } satisfies ToTask);
    grace = setTimeout(() => void worker.terminate(), GRACE_MS);
  };
  const onAbort = () => stop(signal.reason ?? new AppError("cancelled", "cancelled", "The work was cancelled."));
  const watchStall = () => {
    if (stallAfter === undefined) return;
    if (stall !== null) clearTimeout(stall);
    stall = setTimeout(() => {
      const seconds = Math.round(stallAfter / 1000);
      stop(new AppError("unavailable", "thread.stalled", `Nothing moved for ${seconds} s.`));
    }, stallAfter);
  };

  signal.addEventListener("abort", onAbort, { once: true });
  watchStall();
  try {
    await new Promise<void>((resolve) => {
      worker.on("message", (message: FromTask) => {
        watchStall();
        if (message.type === "progress") onProgress?.(message.value as P);
        else answer = message;
      });
      worker.on("error", (error) => {
        crash = error;
      });
      worker.on("exit", () => resolve());
    });
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (grace !== null) clearTimeout(grace);
    if (stall !== null) clearTimeout(stall);
  }

  // An answer that came before the thread heard of the abort still counts as the truth of what happened.
  const said = answer as Extract<FromTask, { type: "done" | "failed" }> | null;
  if (said?.type === "done") return said.value as O;
  if (stopped !== null) throw stopped;
  if (said !== null) {
    const error = errorFromJson(said.error);
    if (said.trace === null) throw error;
    throw new AppError(error.kind, error.code, error.message, {
      cause: new Error(said.trace),
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.details === undefined ? {} : { details: error.details }),
    });
  }
  throw new AppError("internal", "thread.died", "The thread that moved the bytes ended without an answer.", {
    ...(crash === null ? {} : { cause: crash }),
    hint: "The server's log has the reason; most often the machine ran out of memory.",
  });
}
