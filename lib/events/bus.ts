/** Live events between all processes on one database: told at once here, by LISTEN/NOTIFY elsewhere. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { z } from "zod";
import type { Database } from "#lib/db/client.ts";
import { LiveEvent } from "#lib/domain/page.ts";
import { openOutbox } from "./outbox.ts";

export interface EventBus {
  /** Call after the commit: who hears it reads the change. Never throws. */
  publish(event: LiveEvent): void;
  /** Hears the events of all processes, and `gap` when some of another process were lost. */
  subscribe(listener: (event: LiveEvent) => void): () => void;
  close(): Promise<void>;
}

const CHANNEL = "supravisor_events";

/** Anybody with the database's password may NOTIFY; events of a newer version may be unknown here. */
const Message = z.object({ from: z.string(), events: z.array(z.unknown()) });

/** Within one process only: tests, and the command line. A listener that throws is its own affair: `failed` hears of it. */
export function localBus(failed: (error: unknown) => void = () => undefined): EventBus {
  const listeners = new Set<(event: LiveEvent) => void>();
  return {
    publish: (event) => {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          failed(error);
        }
      }
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => undefined,
  };
}

export async function openBus(
  database: Pick<Database, "listen" | "notify" | "driver">,
  log?: Pick<Logger, "info" | "error">,
): Promise<EventBus> {
  const local = localBus((error) => log?.error({ err: error }, "a listener of live events failed"));
  // The embedded database has no other process to tell.
  if (database.driver === "pglite") return local;
  const self = randomUUID();
  const outbox = openOutbox((events) => database.notify(CHANNEL, JSON.stringify({ from: self, events })));
  const unlisten = await database.listen(CHANNEL, {
    notified(payload) {
      for (const event of eventsOfOthers(payload, self)) local.publish(event);
    },
    gap() {
      log?.info("the database is back after a break: all live views are read again");
      local.publish({ type: "gap" });
    },
  });
  return {
    publish(event) {
      local.publish(event);
      outbox.add(event);
    },
    subscribe: local.subscribe,
    async close() {
      await outbox.close();
      await unlisten();
    },
  };
}

function eventsOfOthers(payload: string, self: string): LiveEvent[] {
  let json: unknown;
  try {
    json = JSON.parse(payload);
  } catch {
    return [];
  }
  const message = Message.safeParse(json);
  if (!message.success || message.data.from === self) return [];
  return message.data.events.flatMap((event) => {
    const known = LiveEvent.safeParse(event);
    return known.success ? [known.data] : [];
  });
}
