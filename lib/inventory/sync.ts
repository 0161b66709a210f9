/** Keeps a session with every stored host and follows additions, edits and removals. */
import { isNull } from "drizzle-orm";
import { hosts } from "#lib/db/schema.ts";
import type { Services } from "#lib/services/context.ts";
import { pause } from "./backoff.ts";
import { accessDigest } from "./host-access.ts";
import { HostSession } from "./session.ts";
import { registerSessions, unregisterSessions } from "./sessions.ts";

/** Events between processes can be lost with their connection: the list is read again this often. */
const RECHECK_MS = 60_000;
/** What has not ended by then ends with the process. */
const CLOSE_MS = 2500;

export interface InventorySync {
  close(): Promise<void>;
}

/** Starts at once and answers when every stored host has a session (not when it is online). */
export async function startInventorySync(services: Services): Promise<InventorySync> {
  const sessions = new Map<string, HostSession>();
  registerSessions(services.db, sessions);
  const ending = new Set<Promise<void>>();
  let stopped = false;
  let again = false;
  let running: Promise<void> | null = null;

  /** Nobody waits for a host that does not let go. */
  const end = (session: HostSession): void => {
    const gone = session
      .stop()
      .catch((error: unknown) =>
        services.log.warn({ err: error, hostId: session.hostId }, "a session did not end well"),
      )
      .finally(() => ending.delete(gone));
    ending.add(gone);
  };

  const reconcile = async () => {
    const rows = await services.db.select().from(hosts).where(isNull(hosts.removedAt));
    if (stopped) return;
    const there = new Set(rows.map((row) => row.id));
    for (const [id, session] of sessions) {
      if (there.has(id)) continue;
      sessions.delete(id);
      end(session);
    }
    for (const row of rows) {
      const session = sessions.get(row.id);
      if (session === undefined) sessions.set(row.id, new HostSession(services, row.id));
      // An empty digest: it has not read its row yet and will read the new one.
      else if (session.digest !== "" && session.digest !== accessDigest(row)) session.restart();
    }
  };

  /** One at a time; a wish that comes meanwhile is granted after it. */
  const request = (): Promise<void> => {
    again = true;
    running ??= (async () => {
      while (again && !stopped) {
        again = false;
        try {
          await reconcile();
        } catch (error) {
          services.log.error({ err: error }, "the list of hosts could not be read");
        }
      }
      running = null;
    })();
    return running;
  };

  const unsubscribe = services.events.subscribe((event) => {
    if (event.type === "host" || event.type === "gap") void request();
  });
  const timer = setInterval(() => void request(), RECHECK_MS);
  timer.unref();
  await request();

  return {
    async close() {
      stopped = true;
      clearInterval(timer);
      unsubscribe();
      unregisterSessions(services.db);
      await running;
      for (const session of sessions.values()) end(session);
      await Promise.race([Promise.all(ending), pause(CLOSE_MS, AbortSignal.timeout(CLOSE_MS))]);
    },
  };
}
