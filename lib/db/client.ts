/** The database: PGlite in the data folder, or Postgres when its address is given. One schema, the same migrations. */
import { join } from "node:path";
import { mkdir } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { sql, type ExtractTablesWithRelations } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import { migrate as migratePg } from "drizzle-orm/node-postgres/migrator";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { migrate as migratePglite } from "drizzle-orm/pglite/migrator";
import pg from "pg";
import { AppError } from "#lib/errors.ts";
import { ownerOnly } from "./owner-only.ts";
import { drizzleOn, openPool } from "./pool.ts";
import * as schema from "./schema.ts";

/** The database or a transaction on it: services take either. */
export type Db = PgDatabase<PgQueryResultHKT, typeof schema, ExtractTablesWithRelations<typeof schema>>;
export type Tx = Db;

export interface Database {
  readonly db: Db;
  readonly driver: "pglite" | "postgres";
  /** The embedded engine itself, for pg-boss; null on Postgres. */
  readonly pglite: PGlite | null;
  readonly url: string | null;
  /** Calls back for every NOTIFY on the channel, from this process or another; comes back after a lost connection. */
  listen(channel: string, callback: (payload: string) => void): Promise<() => Promise<void>>;
  notify(channel: string, payload: string): Promise<void>;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const migrationsFolder = join(import.meta.dirname, "..", "..", "drizzle");
/** Any constant: servers that start together migrate one after another. */
const MIGRATION_LOCK = 7_245_001;

export async function openDatabase(options: { url?: string; dataDir: string | null }): Promise<Database> {
  return options.url === undefined ? openEmbedded(options.dataDir) : openPostgres(options.url);
}

async function openEmbedded(dataDir: string | null): Promise<Database> {
  let pglite: PGlite;
  if (dataDir === null) {
    pglite = await PGlite.create("memory://");
  } else {
    const folder = join(dataDir, "db");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      pglite = await PGlite.create(folder);
    } catch (cause) {
      throw new AppError("unavailable", "db.damaged", `The embedded database in ${folder} cannot be opened.`, {
        hint: "Restore the data folder from its backup. Keep the damaged one aside.",
        cause,
      });
    }
  }
  const db = drizzlePglite(pglite, { schema });
  await migratePglite(db, { migrationsFolder });
  const close = async (): Promise<void> => {
    await pglite.close();
    if (dataDir !== null) await ownerOnly(join(dataDir, "db"));
  };
  // What the migrations and an earlier run made.
  if (dataDir !== null) await ownerOnly(join(dataDir, "db"));
  return {
    db: db as unknown as Db,
    driver: "pglite",
    pglite,
    url: null,
    listen: (channel, callback) => pglite.listen(channel, callback),
    async notify(channel, payload) {
      await db.execute(sql`select pg_notify(${channel}, ${payload})`);
    },
    async ping() {
      await db.execute(sql`select 1`);
    },
    close,
  };
}

async function openPostgres(url: string): Promise<Database> {
  const pool = openPool(url);
  const db = drizzleOn(pool);
  try {
    const client = await pool.connect();
    try {
      await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
      await migratePg(drizzlePg(client, { schema }), { migrationsFolder });
    } finally {
      await client.query("select pg_advisory_unlock($1)", [MIGRATION_LOCK]).catch(() => undefined);
      client.release();
    }
  } catch (cause) {
    await pool.end();
    throw new AppError(
      "unavailable",
      "db.unreachable",
      "The Postgres database that DATABASE_URL names cannot be used.",
      {
        hint: "Check that it runs, that the address and password are right, and that its user may create tables.",
        cause,
      },
    );
  }
  return {
    db: db as unknown as Db,
    driver: "postgres",
    pglite: null,
    url,
    listen: (channel, callback) => listenPostgres(url, channel, callback),
    async notify(channel, payload) {
      await db.execute(sql`select pg_notify(${channel}, ${payload})`);
    },
    async ping() {
      await db.execute(sql`select 1`);
    },
    close: () => pool.end(),
  };
}

/** A connection of its own, since LISTEN belongs to a session; opened anew when it breaks. */
async function listenPostgres(
  url: string,
  channel: string,
  callback: (payload: string) => void,
): Promise<() => Promise<void>> {
  let client: pg.Client | null = null;
  let closed = false;
  let retry: NodeJS.Timeout | null = null;
  const connect = async (): Promise<void> => {
    const next = new pg.Client({ connectionString: url, application_name: "supravisor events", keepAlive: true });
    next.on("notification", (message) => callback(message.payload ?? ""));
    next.on("error", () => undefined);
    next.on("end", () => {
      if (!closed) retry = setTimeout(() => void connect().catch(() => undefined), 1000);
    });
    try {
      await next.connect();
      await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      client = next;
    } catch (error) {
      if (!closed) retry = setTimeout(() => void connect().catch(() => undefined), 1000);
      throw error;
    }
  };
  await connect();
  return async () => {
    closed = true;
    if (retry !== null) clearTimeout(retry);
    await client?.end();
  };
}
