/** Long operations of vSphere: started, and waited for as long as they get on. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { at, textAt, type Element } from "#lib/wire/soap/element.ts";
import type { XmlText } from "#lib/wire/soap/xml-text.ts";
import { propertiesOf } from "./properties.ts";
import { ref, type Ref } from "./ref.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { isFault, vimFault } from "./vim-fault.ts";

/**
 * Without any progress. How long a task takes nobody knows beforehand: consolidating a large disk takes hours. Most
 * tasks tell their progress; the others end within minutes.
 */
const STALL_MS = 1_800_000;
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1000;

export interface TaskOptions extends CallOptions {
  /** Milliseconds without progress after which it counts as stuck. */
  readonly stallMs?: number;
  /**
   * When nobody waits for it any more it goes on: `late`: if the time for waiting is over (a start); `always`: also
   * when it was given up, since half of it would be worse than none. Absent: it is told to cancel.
   */
  readonly goesOn?: "late" | "always";
  /** Asked while the task runs; what it throws ends the waiting, and the task goes on. */
  readonly meanwhile?: () => Promise<void>;
}

const isLate = (reason: unknown): boolean => reason instanceof Error && reason.name === "TimeoutError";

/** Answers the task's result, if it has one. Throws the VimFault that ended it, `host.timeout`, the signal's reason. */
export async function runTask(
  client: VimClient,
  method: string,
  self: Ref,
  args: XmlText,
  options: TaskOptions = {},
): Promise<Element | null> {
  const { signal, stallMs = STALL_MS, goesOn } = options;
  const started = await client.call(method, self, args, signal === undefined ? {} : { signal });
  const task = ref("Task", textAt(started, "returnval") ?? "");
  let seen = "";
  let movedAt = Date.now();
  let stuck = false;
  try {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const info = (await propertiesOf(client, task, ["info"], { signal })).get("info");
      const state = textAt(info, "state");
      if (state === "success") return at(info, "result") ?? null;
      if (state === "error") {
        const error = at(info, "error");
        throw vimFault(at(error, "fault") ?? null, textAt(error, "localizedMessage") ?? "");
      }
      const now = `${state ?? ""} ${textAt(info, "progress") ?? ""} ${textAt(info, "description", "message") ?? ""}`;
      if (now !== seen) {
        seen = now;
        movedAt = Date.now();
      }
      if (Date.now() - movedAt > stallMs) {
        stuck = true;
        throw timeout(client, method, stallMs, goesOn !== undefined);
      }
      if (wait === LONGEST_WAIT_MS) await options.meanwhile?.();
      await delay(wait, undefined, signal === undefined ? {} : { signal });
    }
  } catch (error) {
    const waited = signal?.aborted === true;
    const left = goesOn === "always" || (goesOn === "late" && (stuck || isLate(signal?.reason)));
    if ((waited || stuck) && !left)
      await client
        .call("CancelTask", task, undefined, { timeout: 1500, signal: AbortSignal.timeout(1500) })
        .catch(() => undefined);
    // A task that is long over is forgotten by the host: its object is gone, not what it worked on.
    if (isFault(error, "ManagedObjectNotFound") && error.missing === task.id)
      throw new AppError(
        "unavailable",
        "host.task-lost",
        `${client.name} does not know any more how ${method} ended.`,
        { cause: error },
      );
    throw waited ? signal.reason : error;
  }
}

function timeout(client: VimClient, method: string, stallMs: number, left: boolean): AppError {
  return new AppError(
    "unavailable",
    "host.timeout",
    `${client.name} has got no further with ${method} for ${Math.max(1, Math.round(stallMs / 60_000))} minutes.`,
    {
      hint: left
        ? "The host goes on with it; its task list tells when it ends."
        : "It was told to cancel; the task list of the host may say what it waits for.",
    },
  );
}
