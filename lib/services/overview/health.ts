import { asc, gt, sql } from "drizzle-orm";
import { workers } from "#lib/db/schema.ts";
import { productVersion } from "#lib/version.ts";
import type { Services } from "../context.ts";
import { hostsWithUnreadableSecret } from "../host/unreadable-secrets.ts";
import { readReadiness, type Readiness, type ReadinessOptions } from "./readiness.ts";
import { within } from "./within.ts";

export interface WorkerHealth {
  readonly name: string;
  readonly version: string;
  readonly heartbeatAt: string;
  readonly alive: boolean;
  /** What is odd about it: its clock, its version. */
  readonly note: string | null;
}

export interface Health {
  readonly status: "ok" | "degraded";
  readonly version: string;
  readonly database: { readonly driver: string; readonly ok: boolean };
  readonly checks: Readiness["checks"];
  readonly workers: WorkerHealth[];
  /** What somebody has to look at, in words. */
  readonly notes: string[];
}

/** A worker beats every 5 s. */
const ALIVE_S = 20;
/** A clock that is off by more makes times in lists and logs misleading. */
const SKEW_S = 30;
const MOST_MS = 2000;

/** For people who are signed in. Answers within a few seconds, whatever the database does. */
export async function readHealth(services: Services, options: ReadinessOptions): Promise<Health> {
  const [readiness, details] = await Promise.all([
    readReadiness(services, options),
    within(MOST_MS, readDetails(services)).catch((error: unknown) => {
      services.log.error({ err: error }, "health check: the database does not answer");
      return null;
    }),
  ]);
  const list = details?.workers ?? [];
  return {
    status: readiness.ready && details !== null && list.some((worker) => worker.alive) ? "ok" : "degraded",
    version: productVersion,
    database: { driver: options.driver, ok: details !== null },
    checks: readiness.checks,
    workers: list,
    notes: [...readiness.notes, ...(details?.notes ?? [])],
  };
}

async function readDetails(services: Services): Promise<{ workers: WorkerHealth[]; notes: string[] }> {
  // Everything about time is asked of the database: the clocks of machines differ.
  const rows = await services.db
    .select({
      name: workers.name,
      version: workers.version,
      heartbeatAt: workers.heartbeatAt,
      alive: sql<boolean>`${workers.heartbeatAt} > now() - make_interval(secs => ${ALIVE_S})`,
      skew: sql<number | null>`extract(epoch from ${workers.clockAt} - ${workers.heartbeatAt})::float8`,
    })
    .from(workers)
    .where(gt(workers.heartbeatAt, sql`now() - interval '1 hour'`))
    .orderBy(asc(workers.startedAt));
  const unreadable = await hostsWithUnreadableSecret(services);
  const list = rows.map(({ skew, heartbeatAt, ...row }) => ({
    ...row,
    heartbeatAt: heartbeatAt.toISOString(),
    note: noteOf(row.version, skew),
  }));
  return {
    workers: list,
    notes:
      unreadable.length === 0
        ? []
        : [
            `The secrets of ${unreadable.length} host(s) were sealed with another key and cannot be read: enter them again.`,
          ],
  };
}

function noteOf(version: string, skew: number | null): string | null {
  const notes: string[] = [];
  if (skew !== null && Math.abs(skew) > SKEW_S) {
    const side = skew > 0 ? "ahead of" : "behind";
    notes.push(`Its clock is ${Math.round(Math.abs(skew))} s ${side} the database's.`);
  }
  if (version !== productVersion) notes.push(`It is of version ${version}, the console of ${productVersion}.`);
  return notes.length === 0 ? null : notes.join(" ");
}
