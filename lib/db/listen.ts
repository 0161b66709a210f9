/** LISTEN on a connection of its own, since it belongs to a session; opened again when it breaks. */
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { backoffMs } from "./backoff.ts";

export interface ListenEvents {
  /** A NOTIFY of any process. */
  notified(payload: string): void;
  /** The connection is back after a break: what was notified meanwhile is lost. */
  gap(): void;
}

/** How connections of this kind are called in `pg_stat_activity`. */
export const LISTENER_NAME = "supravisor events";

export interface ListenTiming {
  readonly connectMs: number;
  /** How often the connection is asked whether it is alive: a network that swallows packets ends nothing. */
  readonly probeMs: number;
  /** A connection that broke sooner counts as one more failure, so that a server that accepts and closes gets its rest too. */
  readonly steadyMs: number;
}

const TIMING: ListenTiming = { connectMs: 10_000, probeMs: 20_000, steadyMs: 10_000 };
/** A server that does not take leave of us in this time is left. */
const GOODBYE_MS = 1000;

/** Answers with the function that ends it. Throws when the first connection fails; later ones are tried again without end. */
export async function listenPostgres(
  url: string,
  channel: string,
  events: ListenEvents,
  timing: ListenTiming = TIMING,
): Promise<() => Promise<void>> {
  const stop = new AbortController();
  // The one place that opens connections: there is never more than one, and never more than one attempt.
  const first = await open(url, channel, events, timing, stop.signal);
  const follow = async (): Promise<void> => {
    let connection: Listener | null = first;
    let failures = 0;
    while (!stop.signal.aborted) {
      if (connection !== null) {
        const since = performance.now();
        await connection.ended;
        failures = performance.now() - since < timing.steadyMs ? failures + 1 : 0;
      } else failures += 1;
      await delay(backoffMs(failures), undefined, { signal: stop.signal });
      connection = await open(url, channel, events, timing, stop.signal).catch(() => null);
      if (connection !== null) events.gap();
    }
  };
  // It only ends by `stop`, which cuts the wait short.
  const following = follow().catch(() => undefined);
  return async () => {
    stop.abort();
    await following;
  };
}

interface Listener {
  readonly ended: Promise<void>;
}

async function open(
  url: string,
  channel: string,
  events: ListenEvents,
  timing: ListenTiming,
  signal: AbortSignal,
): Promise<Listener> {
  signal.throwIfAborted();
  const socket = new Socket();
  const client = new pg.Client({
    connectionString: url,
    application_name: LISTENER_NAME,
    stream: () => socket,
    keepAlive: true,
    connectionTimeoutMillis: timing.connectMs,
    query_timeout: timing.connectMs,
  });
  client.on("error", () => undefined);
  client.on("notification", (message) => events.notified(message.payload ?? ""));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  // pg itself is silent about a connection that is ended while it is made.
  const broken = closed.then(() => {
    throw new Error("Connection terminated unexpectedly");
  });
  broken.catch(() => undefined);
  let probe: NodeJS.Timeout | null = null;
  let ready = false;
  const leave = (): void => {
    if (ready) void client.end().catch(() => undefined);
    setTimeout(() => socket.destroy(), ready ? GOODBYE_MS : 0).unref();
  };
  signal.addEventListener("abort", leave, { once: true });
  const ended = closed.then(() => {
    if (probe !== null) clearTimeout(probe);
    probe = null;
    signal.removeEventListener("abort", leave);
  });
  const start = async (): Promise<void> => {
    await client.connect();
    await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
  };
  try {
    await Promise.race([start(), broken]);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  ready = true;
  const look = (): void => {
    client.query("select 1").then(
      () => {
        if (probe !== null) probe = setTimeout(look, timing.probeMs);
      },
      () => socket.destroy(),
    );
  };
  probe = setTimeout(look, timing.probeMs);
  return { ended };
}
