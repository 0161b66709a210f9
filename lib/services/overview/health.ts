import { asc, gt, sql } from "drizzle-orm";
import { workers } from "#lib/db/schema.ts";
import { productVersion } from "#lib/version.ts";
import type { Services } from "../context.ts";

export interface Health {
  readonly status: "ok" | "degraded";
  readonly version: string;
  readonly database: { readonly driver: string; readonly ok: boolean };
  readonly workers: { name: string; version: string; heartbeatAt: string; alive: boolean }[];
}

/** A worker beats every 5 s. */
const ALIVE_MS = 20_000;

/** For load balancers and monitors: nobody has to be signed in, so it tells nothing about hosts or people. */
export async function readHealth(services: Services, driver: string): Promise<Health> {
  try {
    const rows = await services.db
      .select()
      .from(workers)
      .where(gt(workers.heartbeatAt, sql`now() - interval '1 hour'`))
      .orderBy(asc(workers.startedAt));
    const now = Date.now();
    const list = rows.map((row) => ({
      name: row.name,
      version: row.version,
      heartbeatAt: row.heartbeatAt.toISOString(),
      alive: now - row.heartbeatAt.getTime() < ALIVE_MS,
    }));
    return {
      status: list.some((worker) => worker.alive) ? "ok" : "degraded",
      version: productVersion,
      database: { driver, ok: true },
      workers: list,
    };
  } catch (error) {
    services.log.error({ err: error }, "health check: the database does not answer");
    return { status: "degraded", version: productVersion, database: { driver, ok: false }, workers: [] };
  }
}
