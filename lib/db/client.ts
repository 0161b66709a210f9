/** The database: PGlite in the data folder, or Postgres when its address is given. One schema, the same migrations. */
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { sql, type ExtractTablesWithRelations } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { migrate as migratePglite } from "drizzle-orm/pglite/migrator";
import type { Logger } from "pino";
import { openPGlite } from "./embedded.ts";
import { settleInstallation } from "./installation.ts";
import { listenPostgres, type ListenEvents } from "./listen.ts";
import { migrationsFolder, refuseOtherSchema, schemaState } from "./migrations.ts";
import { ownerOnly } from "./owner-only.ts";
import { drizzleOn, openPool } from "./pool.ts";
import { preparePostgres } from "./postgres.ts";
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
  /** Hears every NOTIFY on the channel, from this process or another; comes back after a lost connection. */
  listen(channel: string, events: ListenEvents): Promise<() => Promise<void>>;
  notify(channel: string, payload: string): Promise<void>;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenDatabaseOptions {
  readonly url?: string;
  /** Null: in memory, or a Postgres without a folder beside it. */
  readonly dataDir: string | null;
  /** An empty database is wanted, although the folder belongs to an installation. */
  readonly newDatabase?: boolean;
  /** A worker uses the database as it is. */
  readonly joins?: boolean;
  /** In memory: begins as this dump of another one (`PGlite.dumpDataDir`), which takes a fifth of the time. */
  readonly snapshot?: Blob | undefined;
  readonly waitMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  readonly log?: Pick<Logger, "warn">;
  /** On Postgres: called before anything is changed in it. What it throws ends the opening. */
  readonly beforeChange?: () => Promise<void>;
  /** Called before the data folder and the database are marked as one installation's. What it throws ends the opening. */
  readonly beforeMark?: (db: Db) => Promise<void>;
}

/** Throws `db.*`: see lib/db/embedded.ts, lib/db/postgres.ts and lib/db/installation.ts. */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  const { database, made } = await (options.url === undefined
    ? openEmbedded(options)
    : openPostgres(options, options.url));
  try {
    const agree = async (): Promise<void> => options.beforeMark?.(database.db);
    if (options.dataDir === null) await agree();
    else
      await settleInstallation(database.db, options.dataDir, {
        joins: options.joins ?? false,
        replaces: made,
        agree,
      });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

interface Opened {
  readonly database: Database;
  /** It was empty. */
  readonly made: boolean;
}

async function openEmbedded({ dataDir, newDatabase, snapshot }: OpenDatabaseOptions): Promise<Opened> {
  const { pglite, made } =
    dataDir === null
      ? {
          pglite: await PGlite.create("memory://", snapshot === undefined ? {} : { loadDataDir: snapshot }),
          made: true,
        }
      : await openPGlite(dataDir, newDatabase ?? false);
  const db = drizzlePglite(pglite, { schema });
  try {
    refuseOtherSchema(await schemaState(db as unknown as Db), false);
    await migratePglite(db, { migrationsFolder });
  } catch (error) {
    await pglite.close();
    throw error;
  }
  const tidy = async (): Promise<void> => {
    if (dataDir !== null) await ownerOnly(join(dataDir, "db"));
  };
  // What the migrations and an earlier run made.
  await tidy();
  const close = async (): Promise<void> => {
    await pglite.close();
    await tidy();
  };
  const database: Database = {
    db: db as unknown as Db,
    driver: "pglite",
    pglite,
    url: null,
    listen: (channel, events) => pglite.listen(channel, (payload) => events.notified(payload)),
    async notify(channel, payload) {
      await db.execute(sql`select pg_notify(${channel}, ${payload})`);
    },
    async ping() {
      await db.execute(sql`select 1`);
    },
    close,
  };
  return { database, made };
}

async function openPostgres(options: OpenDatabaseOptions, url: string): Promise<Opened> {
  const { pool, close } = openPool(url);
  const db = drizzleOn(pool);
  let made: boolean;
  try {
    ({ made } = await preparePostgres(pool, {
      dataDir: options.dataDir,
      newDatabase: options.newDatabase ?? false,
      joins: options.joins ?? false,
      waitMs: options.waitMs ?? 0,
      signal: options.signal ?? null,
      log: options.log ?? null,
      beforeChange: options.beforeChange ?? (async () => undefined),
    }));
  } catch (error) {
    await close();
    throw error;
  }
  const database: Database = {
    db: db as unknown as Db,
    driver: "postgres",
    pglite: null,
    url,
    listen: (channel, events) => listenPostgres(url, channel, events),
    async notify(channel, payload) {
      await db.execute(sql`select pg_notify(${channel}, ${payload})`);
    },
    async ping() {
      await db.execute(sql`select 1`);
    },
    close,
  };
  return { database, made };
}
