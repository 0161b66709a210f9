/** A Postgres of its own for one scenario, and what can be done to it. */
import pg from "pg";
import { startTestPostgres, type TestPostgres } from "#lib/db/testing-postgres.ts";
import type { Run } from "./scenario.ts";

export interface BreakablePostgres extends TestPostgres {
  query(text: string): Promise<readonly Record<string, unknown>[]>;
  /** Ends every connection of ours, as a fail-over does. Answers with how many there were. */
  terminateAll(): Promise<number>;
  /** Connections that wait for events, one per process that listens. */
  listeners(): Promise<number>;
}

export async function startPostgres(run: Run): Promise<BreakablePostgres> {
  const postgres = await startTestPostgres();
  run.cleanUp(() => postgres.close());
  const query = async (text: string): Promise<readonly Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: postgres.url, application_name: "chaos" });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    ...postgres,
    query,
    async terminateAll() {
      const rows = await query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'supravisor%'",
      );
      return rows.length;
    },
    async listeners() {
      const rows = await query("select 1 from pg_stat_activity where application_name = 'supravisor events'");
      return rows.length;
    },
  };
}
