/** What both composition roots build: database, keys, queue, events, library. */
import { join } from "node:path";
import type { Logger } from "pino";
import { auditKeys, bindAuditKeys } from "#lib/audit/keys.ts";
import { openDatabase, type Database } from "#lib/db/client.ts";
import { openBus } from "#lib/events/bus.ts";
import { openJobQueue, type OpenJobQueue } from "#lib/jobs/queue.ts";
import { AppError } from "#lib/errors.ts";
import { secretBox } from "#lib/secrets/box.ts";
import { checkSecretKey, rememberSecretKey } from "#lib/secrets/key-check.ts";
import { keyFile, readKeyFile } from "#lib/secrets/key-file.ts";
import type { Services } from "#lib/services/context.ts";

export interface OpenServices {
  readonly services: Services;
  readonly database: Database;
  readonly queue: OpenJobQueue;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly databaseUrl?: string;
  readonly dataDir: string;
  readonly log: Logger;
  /** A worker joins an installation: it makes no key, and goes away when its key is not the console's. */
  readonly joins?: boolean;
}

/** Throws `secret.bad-key`, `db.*`; when joining also `worker.no-key` and `worker.other-key`. */
export async function openServices(options: OpenOptions): Promise<OpenServices> {
  const { dataDir, log } = options;
  const secrets = secretBox(await secretKey(options));
  const database = await openDatabase({
    dataDir,
    ...(options.databaseUrl === undefined ? {} : { url: options.databaseUrl }),
  });
  try {
    await settleKey(database, secrets, options);
    bindAuditKeys(database.db, auditKeys(secrets));
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

async function secretKey({ dataDir, joins }: OpenOptions): Promise<Buffer> {
  const given = process.env["SUPRAVISOR_SECRET_KEY"];
  if (given) return Buffer.from(given, "base64");
  const path = join(dataDir, "secret.key");
  if (joins !== true) return keyFile(path);
  const shared = await readKeyFile(path);
  if (shared !== null) return shared;
  throw new AppError("unprocessable", "worker.no-key", `There is no key of the console in ${path}.`, {
    hint: "Share the console's data folder with this worker, or give both the same SUPRAVISOR_SECRET_KEY.",
  });
}

async function settleKey(database: Database, secrets: Services["secrets"], { joins, log }: OpenOptions): Promise<void> {
  const verdict = await checkSecretKey(database.db, secrets);
  if (verdict === "same") return;
  if (joins === true) {
    throw new AppError("unprocessable", "worker.other-key", "This worker's secret key is not the one of its console.", {
      hint: "Share the console's secret.key, or give both the same SUPRAVISOR_SECRET_KEY; start the console once before its workers.",
    });
  }
  if (verdict === "other")
    log.warn(
      "the secret key is not the one that stored secrets were sealed with: hosts need their secrets entered again",
    );
  await rememberSecretKey(database.db, secrets);
}
