/** Postgres by its address: waited for at the start, its schema checked and brought up to date. */
import { setTimeout as delay } from "node:timers/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import type pg from "pg";
import type { Logger } from "pino";
import { AppError } from "#lib/errors.ts";
import { backoffMs } from "./backoff.ts";
import type { Db } from "./client.ts";
import { refuseEmpty, traceOf } from "./installation.ts";
import { migrationsFolder, refuseOtherSchema, schemaState } from "./migrations.ts";
import { isTransient } from "./problem.ts";
import * as schema from "./schema.ts";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";

export interface Preparation {
  readonly dataDir: string | null;
  readonly newDatabase: boolean;
  readonly joins: boolean;
  /** How long a server that cannot be reached is waited for. */
  readonly waitMs: number;
  /** Ends the wait. */
  readonly signal: AbortSignal | null;
  readonly log: Pick<Logger, "warn"> | null;
  /** Called once the database answers, before anything is changed in it. */
  readonly beforeChange: () => Promise<void>;
}

/** Answers whether the database was empty. Throws `db.unreachable`, `db.missing`, `db.newer`, and for workers `db.older` and `db.empty`. */
export async function preparePostgres(pool: pg.Pool, options: Preparation): Promise<{ made: boolean }> {
  const until = performance.now() + options.waitMs;
  for (let failures = 0; ; failures += 1) {
    try {
      return await prepare(pool, options);
    } catch (error) {
      const pauseMs = backoffMs(failures);
      if (!isTransient(error) || performance.now() + pauseMs > until) throw unreachable(error, options.waitMs);
      if (failures === 0)
        options.log?.warn({ err: error }, `the database cannot be used yet; waiting up to ${options.waitMs / 1000} s`);
      await delay(pauseMs, undefined, options.signal === null ? {} : { signal: options.signal });
    }
  }
}

async function prepare(pool: pg.Pool, options: Preparation): Promise<{ made: boolean }> {
  const client = await pool.connect();
  let sound = false;
  try {
    await client.query("select pg_advisory_lock($1)", [ADVISORY_LOCKS.migration]);
    try {
      const db = drizzle(client, { schema });
      const state = await schemaState(db as unknown as Db);
      refuseOtherSchema(state, options.joins);
      if (state.empty && options.dataDir !== null && !options.newDatabase) {
        // Keys may be given before the first start; a library or our mark only comes of one.
        const trace = await traceOf(options.dataDir, false);
        if (trace !== null) throw refuseEmpty("The database that DATABASE_URL names is empty", options.dataDir, trace);
      }
      await options.beforeChange();
      if (!options.joins) await migrate(db, { migrationsFolder });
      return { made: state.empty };
    } finally {
      sound = await client.query("select pg_advisory_unlock($1)", [ADVISORY_LOCKS.migration]).then(
        () => true,
        () => false,
      );
    }
  } finally {
    client.release(!sound);
  }
}

function unreachable(cause: unknown, waitMs: number): unknown {
  if (cause instanceof AppError) return cause;
  const waited = isTransient(cause) && waitMs > 0 ? ` It was tried for ${waitMs / 1000} s.` : "";
  return new AppError(
    "unavailable",
    "db.unreachable",
    `The Postgres database that DATABASE_URL names cannot be used.${waited}`,
    {
      hint: "Check that it runs, that the address and password are right, and that its user may create tables. SUPRAVISOR_DB_WAIT says how many seconds to wait for it.",
      cause,
    },
  );
}
