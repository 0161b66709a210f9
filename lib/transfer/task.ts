/** The inside of a worker thread: every `*.task.ts` ends with `serveTask(run)`. */
import { parentPort, workerData } from "node:worker_threads";
import { AppError, errorToJson, type ErrorJson } from "#lib/errors.ts";

/** What a thread says to the one who started it. `trace` is for the server's log alone. */
export type FromTask =
  | { readonly type: "progress"; readonly value: unknown }
  | { readonly type: "done"; readonly value: unknown }
  | { readonly type: "failed"; readonly error: ErrorJson; readonly trace: string | null };

export interface ToTask {
  readonly type: "abort";
  readonly reason: ErrorJson;
}

export interface TaskIO<P> {
  /** Aborts when the caller gave up; the thread is ended 5 s later whether it listened or not. */
  readonly signal: AbortSignal;
  /** Cheap to call for every block: at most ten messages a second leave the thread, the last one always. */
  progress(value: P): void;
}

const PROGRESS_EVERY_MS = 100;

/**
 * Runs `run` with the input that `runInThread` gave, and sends back what it returns.
 * Input and output cross by structured clone, so no functions or class instances in either.
 */
export function serveTask<I, O, P = unknown>(run: (input: I, io: TaskIO<P>) => Promise<O>): void {
  const port = parentPort;
  if (port === null)
    throw new AppError("internal", "thread.not-a-thread", "A task file was loaded outside a worker thread.");
  const say = (message: FromTask) => port.postMessage(message);

  const stop = new AbortController();
  port.on("message", (message: ToTask) => {
    if (message.type === "abort") {
      stop.abort(new AppError(message.reason.kind, message.reason.code, message.reason.message));
    }
  });

  let latest: { value: P } | null = null;
  let timer: NodeJS.Timeout | null = null;
  const flush = () => {
    if (latest !== null) say({ type: "progress", value: latest.value });
    latest = null;
  };
  const progress = (value: P) => {
    const first = timer === null;
    latest = { value };
    if (!first) return;
    flush();
    timer = setTimeout(() => {
      timer = null;
      if (latest !== null) progress(latest.value);
    }, PROGRESS_EVERY_MS);
  };

  const finish = (message: FromTask) => {
    if (timer !== null) clearTimeout(timer);
    flush();
    say(message);
    // The open port would keep the thread alive for ever.
    port.close();
  };

  run(workerData as I, { signal: stop.signal, progress }).then(
    (value) => finish({ type: "done", value }),
    (error: unknown) => finish({ type: "failed", error: errorToJson(error), trace: traceOf(error) }),
  );
}

/** An AppError says all there is to say; of anything else the log wants the stack. */
function traceOf(error: unknown): string | null {
  if (error instanceof AppError && error.cause === undefined) return null;
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && parts.length < 5; at = at instanceof Error ? at.cause : undefined) {
    parts.push(at instanceof Error ? (at.stack ?? at.message) : String(at));
  }
  return parts.join("\ncaused by: ");
}
