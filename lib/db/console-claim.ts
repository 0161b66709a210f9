/**
 * One console per Postgres: host sessions, sweeps and uploads belong to one process. The claim is an advisory lock on a
 * connection of its own, so that it ends with the process; after a break it is taken again, unless another was faster.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "pino";
import { AppError } from "#lib/errors.ts";
import { backoffMs } from "./backoff.ts";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";

export interface ConsoleClaim {
  /** held; lost: the connection broke and it is being taken again; taken: another console has it, for good. */
  state(): "held" | "lost" | "taken";
  close(): Promise<void>;
}

export interface ClaimOptions {
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** Another console got it while the connection was broken: what belongs to one process has to stop here. */
  readonly taken: (holder: string) => void;
  /** A console that has just ended may still be in the way. */
  readonly waitMs?: number;
}

const NAME = "supravisor console ";
const CONNECT_MS = 10_000;
const PROBE_MS = 10_000;
const WAIT_MS = 3000;
const GOODBYE_MS = 1500;

interface Holder {
  readonly pid: number;
  readonly name: string;
  /** "process 17 on web-1, since 2026-01-01T10:00:00.000Z" */
  readonly words: string;
}

/** Throws `console.running`, naming who holds it, and what connecting throws. */
export async function claimConsole(url: string, options: ClaimOptions): Promise<ConsoleClaim> {
  // Postgres cuts names at 63 bytes. The last part tells us from a process of the same name in another container.
  const name = `${NAME}${hostname().slice(0, 26)}:${process.pid} ${randomBytes(3).toString("hex")}`;
  const stop = new AbortController();
  const until = performance.now() + (options.waitMs ?? WAIT_MS);
  let client = await connect(url, name);
  for (let tries = 0; ; tries += 1) {
    const holder = await take(client, name);
    if (holder === null) break;
    if (performance.now() > until) {
      await client.end().catch(() => undefined);
      throw running(holder);
    }
    await delay(backoffMs(tries));
  }
  let state: "held" | "lost" | "taken" = "held";
  const keep = async (): Promise<void> => {
    let failures = 0;
    while (!stop.signal.aborted) {
      await ended(client, stop.signal);
      if (stop.signal.aborted) return;
      state = "lost";
      options.log.warn("the connection that makes this process the console broke; taking it again");
      for (;;) {
        await delay(backoffMs(failures), undefined, { signal: stop.signal });
        const outcome = await again(url, name).catch(() => null);
        failures += 1;
        if (outcome === null) continue;
        if (!("words" in outcome)) {
          client = outcome;
          break;
        }
        state = "taken";
        options.log.error({ holder: outcome.words }, "another console has taken over this database");
        options.taken(outcome.words);
        return;
      }
      failures = 0;
      state = "held";
      options.log.info("this process is the console again");
    }
  };
  const keeping = keep().catch(() => undefined);
  return {
    state: () => state,
    async close() {
      stop.abort();
      // An attempt under way would take its time; what it opens ends with the process.
      const goodbye = keeping.then(() => client.end()).catch(() => undefined);
      await Promise.race([goodbye, delay(GOODBYE_MS, undefined, { ref: false })]);
    },
  };
}

/** The connection with the claim, or who has it. Throws when there is no connection, or our own old one is in the way. */
async function again(url: string, name: string): Promise<pg.Client | Holder> {
  const client = await connect(url, name);
  try {
    const holder = await take(client, name);
    if (holder === null) return client;
    if (holder.name === name) {
      // The server has not noticed that our old connection is gone.
      await client.query("select pg_terminate_backend($1)", [holder.pid]);
      throw new Error("the old connection is being ended");
    }
    await client.end();
    return holder;
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
}

async function connect(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    // When this machine is gone without a word, the server lets the claim go after half a minute.
    await client.query("set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 4");
    return client;
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
}

/** Null: it is ours. */
async function take(client: pg.Client, name: string): Promise<Holder | null> {
  const { rows } = await client.query<{ ours: boolean }>("select pg_try_advisory_lock($1) as ours", [
    ADVISORY_LOCKS.console,
  ]);
  if (rows[0]?.ours === true) return null;
  const { rows: holders } = await client.query<{ pid: number; name: string; since: Date }>(
    `select a.pid, a.application_name as name, a.backend_start as since
     from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_database where datname = current_database())
       and l.classid = 0 and l.objid = $1 and l.objsubid = 1`,
    [ADVISORY_LOCKS.console],
  );
  const holder = holders[0];
  if (holder === undefined) return { pid: 0, name: "", words: "another process" };
  const [, host, pid] = /^supravisor console (.+):(\d+) /.exec(holder.name) ?? [];
  const who = host === undefined || holder.name === name ? "another process" : `process ${pid} on ${host}`;
  return { pid: holder.pid, name: holder.name, words: `${who}, since ${holder.since.toISOString()}` };
}

function running(holder: Holder): AppError {
  return new AppError("conflict", "console.running", `Another console runs on this database: ${holder.words}.`, {
    hint: "One console runs per database: stop that one first, or start a worker here (supravisor worker). When its machine is gone, the database lets it go within a minute.",
  });
}

/** Resolves when the connection is gone, also when it only stopped answering. */
async function ended(client: pg.Client, signal: AbortSignal): Promise<void> {
  const gone = new AbortController();
  client.once("end", () => gone.abort());
  const over = AbortSignal.any([gone.signal, signal]);
  while (!over.aborted) {
    await delay(PROBE_MS, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    try {
      await client.query("select 1");
    } catch {
      void client.end().catch(() => undefined);
      return;
    }
  }
}
