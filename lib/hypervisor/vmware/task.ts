/** Long operations of vSphere: started, waited for, cancelled when nobody waits any more. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { at, textAt, type Element } from "#lib/wire/soap/element.ts";
import type { XmlText } from "#lib/wire/soap/xml-text.ts";
import { propertiesOf } from "./properties.ts";
import { ref, type Ref } from "./ref.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { isFault, vimFault } from "./vim-fault.ts";

/** Creating, reconfiguring, destroying and snapshots are done long before, consolidation of a large one is not. */
const TASK_MS = 1_800_000;
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1000;

/** Answers the task's result, if it has one. Throws the VimFault that ended it, `host.timeout`, the signal's reason. */
export async function runTask(
  client: VimClient,
  method: string,
  self: Ref,
  args: XmlText,
  options: CallOptions = {},
): Promise<Element | null> {
  const { signal } = options;
  const started = await client.call(method, self, args, signal === undefined ? {} : { signal });
  const task = ref("Task", textAt(started, "returnval") ?? "");
  const until = Date.now() + (options.timeout ?? TASK_MS);
  try {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const info = (await propertiesOf(client, task, ["info"], { signal })).get("info");
      const state = textAt(info, "state");
      if (state === "success") return at(info, "result") ?? null;
      if (state === "error") {
        const error = at(info, "error");
        throw vimFault(at(error, "fault") ?? null, textAt(error, "localizedMessage") ?? "");
      }
      if (Date.now() > until)
        throw new AppError("unavailable", "host.timeout", `${client.name} has not finished ${method} in time.`);
      await delay(wait, undefined, signal === undefined ? {} : { signal });
    }
  } catch (error) {
    const waited = signal?.aborted === true;
    if (waited || (error instanceof AppError && error.code === "host.timeout"))
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
