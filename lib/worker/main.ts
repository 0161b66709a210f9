/** Composition root of a worker on another machine: the same jobs against the same Postgres. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { settings } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { startRunner } from "#lib/jobs/runner.ts";
import { HANDLERS, runnerOptions } from "#lib/server/handlers.ts";
import { openLog } from "#lib/server/log.ts";
import { openServices } from "#lib/server/services.ts";
import type { Services } from "#lib/services/context.ts";

/** Throws `worker.no-key`, `worker.other-key`, and `worker.other-library` when the data folder here does not hold the console's image library. */
export async function startWorker(options: {
  databaseUrl: string;
  dataDir: string;
  /** Of each kind at the same time. */
  jobs?: number;
}): Promise<{ close(): Promise<void> }> {
  const base = await openServices({ ...options, log: openLog(), joins: true });
  try {
    await checkLibrary(base.services);
    const runner = await startRunner(base.services, base.queue, HANDLERS, runnerOptions({ jobs: options.jobs }));
    return {
      async close() {
        await runner.close();
        await base.close();
      },
    };
  } catch (error) {
    await base.close();
    throw error;
  }
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
