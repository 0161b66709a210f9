/** What both composition roots build: database, keys, queue, events, library. */
import { join } from "node:path";
import type { Logger } from "pino";
import { openDatabase, type Database } from "#lib/db/client.ts";
import { openBus } from "#lib/events/bus.ts";
import { openJobQueue, type OpenJobQueue } from "#lib/jobs/queue.ts";
import { keyFile, secretBox } from "#lib/secrets/box.ts";
import type { Services } from "#lib/services/context.ts";

export interface OpenServices {
  readonly services: Services;
  readonly database: Database;
  readonly queue: OpenJobQueue;
  close(): Promise<void>;
}

export async function openServices(options: { databaseUrl?: string; dataDir: string; log: Logger }): Promise<OpenServices> {
  const { dataDir, log } = options;
  const given = process.env["SUPRAVISOR_SECRET_KEY"];
  const secrets = secretBox(given ? Buffer.from(given, "base64") : await keyFile(join(dataDir, "secret.key")));
  const database = await openDatabase({ dataDir, ...(options.databaseUrl === undefined ? {} : { url: options.databaseUrl }) });
  try {
    const events = await openBus(database);
    const queue = await openJobQueue(database);
    return {
      services: { db: database.db, events, secrets, jobs: queue, dataDir, log },
      database,
      queue,
      async close() {
        await queue.close();
        await events.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
