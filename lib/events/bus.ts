/** Live events between all processes on one database: told at once here, by LISTEN/NOTIFY elsewhere. */
import { randomUUID } from "node:crypto";
import type { Database } from "#lib/db/client.ts";
import { LiveEvent } from "#lib/domain/page.ts";

export interface EventBus {
  /** Call after the commit: who hears it reads the change. */
  publish(event: LiveEvent): void;
  subscribe(listener: (event: LiveEvent) => void): () => void;
  close(): Promise<void>;
}

const CHANNEL = "supravisor_events";
/** NOTIFY takes 8,000 bytes. */
const MAX_PAYLOAD = 7000;
const GATHER_MS = 30;

/** Within one process only: tests, and the command line. */
export function localBus(): EventBus {
  const listeners = new Set<(event: LiveEvent) => void>();
  return {
    publish: (event) => {
      for (const listener of listeners) listener(event);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => undefined,
  };
}

export async function openBus(database: Pick<Database, "listen" | "notify" | "driver">): Promise<EventBus> {
  const local = localBus();
  // The embedded database has no other process to tell.
  if (database.driver === "pglite") return local;
  const self = randomUUID();
  let waiting: LiveEvent[] = [];
  let timer: NodeJS.Timeout | null = null;
  const send = (): void => {
    timer = null;
    const events = waiting;
    waiting = [];
    let batch: LiveEvent[] = [];
    const flush = () => {
      if (batch.length > 0)
        void database.notify(CHANNEL, JSON.stringify({ from: self, events: batch })).catch(() => undefined);
      batch = [];
    };
    let size = 0;
    for (const event of events) {
      const length = JSON.stringify(event).length;
      if (length > MAX_PAYLOAD) continue;
      if (size + length > MAX_PAYLOAD) {
        flush();
        size = 0;
      }
      batch.push(event);
      size += length;
    }
    flush();
  };
  const unlisten = await database.listen(CHANNEL, (payload) => {
    const message = JSON.parse(payload) as { from: string; events: unknown[] };
    if (message.from === self) return;
    for (const event of message.events) {
      const parsed = LiveEvent.safeParse(event);
      if (parsed.success) local.publish(parsed.data);
    }
  });
  return {
    publish(event) {
      local.publish(event);
      waiting.push(event);
      timer ??= setTimeout(send, GATHER_MS);
    },
    subscribe: local.subscribe,
    async close() {
      if (timer !== null) {
        clearTimeout(timer);
        send();
      }
      await unlisten();
    },
  };
}
