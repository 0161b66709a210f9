/** Composition root of a worker on another machine: the same jobs against the same Postgres. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { and, eq, ne, sql } from "drizzle-orm";
import { settings, workers } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { startRunner } from "#lib/jobs/runner.ts";
import { HANDLERS, runnerOptions } from "#lib/server/handlers.ts";
import { openLog } from "#lib/server/log.ts";
import { openServices } from "#lib/server/services.ts";
import type { Services } from "#lib/services/context.ts";
import { productVersion } from "#lib/version.ts";

/** Throws `worker.no-key`, `worker.other-key`, and `worker.other-library` when the data folder here does not hold the console's image library. */
export async function startWorker(options: {
  databaseUrl: string;
  dataDir: string;
  /** Of each kind at the same time. */
  jobs?: number;
  /** How long a database that cannot be reached is waited for. */
  waitMs?: number;
  signal?: AbortSignal;
}): Promise<{ close(): Promise<void> }> {
  const log = openLog();
  log.info({ version: productVersion, pid: process.pid, dataDir: options.dataDir }, "the worker starts");
  const base = await openServices({ ...options, log, joins: true });
  try {
    await checkLibrary(base.services);
    await warnOfOtherVersions(base.services);
    const runner = await startRunner(base.services, base.queue, HANDLERS, runnerOptions({ jobs: options.jobs }));
    return {
      async close() {
        log.info("stopping");
        await runner.close();
        await base.close();
        log.info("stopped");
      },
    };
  } catch (error) {
    await base.close();
    throw error;
  }
}

/**
 * Releases whose migrations are the same may work together for the time of an upgrade: it is said and not refused. With
 * other migrations lib/db/migrations.ts refuses.
 */
async function warnOfOtherVersions({ db, log }: Services): Promise<void> {
  const others = await db
    .selectDistinct({ version: workers.version })
    .from(workers)
    .where(and(ne(workers.version, productVersion), sql`${workers.heartbeatAt} > now() - interval '20 seconds'`));
  if (others.length > 0)
    log.warn(
      { own: productVersion, others: others.map((row) => row.version) },
      "workers of other releases run on this database: upgrade all of them",
    );
}

async function checkLibrary(services: Services): Promise<void> {
  const [row] = await services.db.select().from(settings).where(eq(settings.key, "library"));
  const wanted = (row?.value as { id?: string } | undefined)?.id;
  const file = join(services.dataDir, "library", ".library-id");
  const here = await readFile(file, "utf8").then(
    (text) => text.trim(),
    () => null,
  );
  if (wanted !== undefined && here === wanted) return;
  throw new AppError(
    "unprocessable",
    "worker.other-library",
    `The image library of this console is not in ${join(services.dataDir, "library")}.`,
    {
      hint: "Put the console's library folder on shared storage and point SUPRAVISOR_DATA_DIR at it; start the console once before its workers.",
    },
  );
}
