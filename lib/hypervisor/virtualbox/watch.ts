/** VirtualBox tells nobody of its changes: they are looked for, cheaply and often, and thoroughly now and then. */
import { setTimeout as delay } from "node:timers/promises";
import type { InventoryChange, InventoryItem } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { Told } from "../told.ts";

/** Two lists of names and one look at each settings file. */
const LOOK_MS = 2500;
/** Whatever changes without a trace: paused VMs, free space, sizes of disks, networks. */
const THOROUGH_MS = 30_000;

export interface Looks {
  /** Everything, each thing read again. */
  thorough(signal: AbortSignal): Promise<readonly InventoryItem[]>;
  /** The VMs, those read again that show a change. */
  quick(signal: AbortSignal): Promise<readonly InventoryItem[]>;
}

/** Begins with a full set of puts. Returns when the signal aborts; throws when the host cannot be asked twice in a row. */
export async function* watchHost(looks: Looks, signal: AbortSignal): AsyncIterable<InventoryChange> {
  const told = new Told();
  let thoroughAt = 0;
  let failed = false;
  while (!signal.aborted) {
    const thorough = Date.now() >= thoroughAt;
    let items: readonly InventoryItem[];
    try {
      items = await (thorough ? looks.thorough(signal) : looks.quick(signal));
      failed = false;
    } catch (error) {
      if (signal.aborted) return;
      // A connection that broke is opened anew by the next question.
      if (failed || !(error instanceof AppError && error.code === "host.unreachable")) throw error;
      failed = true;
      continue;
    }
    if (thorough) thoroughAt = Date.now() + THOROUGH_MS;
    yield* thorough ? told.replace(items) : told.replace(items, "vm");
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}
