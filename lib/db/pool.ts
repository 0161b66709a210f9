/** The connections to Postgres. One that breaks is thrown away, wherever it breaks; nothing of it ends the process or stays taken. */
import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import pg from "pg";
import type { Db } from "./client.ts";
import { connectionRules, QUERY_MS } from "./connection-rules.ts";
import { belongsTo } from "./identity.ts";
import * as schema from "./schema.ts";

const MOST_CONNECTIONS = 12;

export interface OpenPool {
  readonly pool: pg.Pool;
  /** Ends in any case. */
  close(): Promise<void>;
}

export function openPool(url: string): OpenPool {
  const rules = connectionRules();
  const pool = new pg.Pool({
    connectionString: url,
    max: MOST_CONNECTIONS,
    application_name: "supravisor",
    ...rules.options,
    // A process that hangs must not keep the audit's lock for ever. Less than what we wait for, so that the server says why.
    statement_timeout: QUERY_MS - 10_000,
    idle_in_transaction_session_timeout: 60_000,
  });
  // A connection that dies while idle must not end the process; the next query gets another one.
  pool.on("error", () => undefined);
  // Nor one that dies in a transaction between two statements, when the pool does not listen to it: the next statement fails.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return { pool, close: () => rules.endWith(() => pool.end()) };
}

/** Drizzle on the pool, with transactions that always give their connection back. */
export function drizzleOn(pool: pg.Pool): NodePgDatabase<typeof schema> {
  const db = drizzle(pool, { schema });
  // Drizzle's own keeps the connection for ever when BEGIN fails on it.
  db.transaction = async (work, config) => {
    const client = await pool.connect();
    try {
      const own = drizzle(client, { schema });
      belongsTo(own as unknown as Db, db as unknown as Db);
      return await own.transaction(work, config);
    } finally {
      // Anything but idle: the transaction's end did not get through, and nobody else may continue it.
      client.release(client.getTransactionStatus() !== "I");
    }
  };
  return db;
}
