/** What both composition roots build: database, keys, queue, events, library. */
import { join } from "node:path";
import type { Logger } from "pino";
import { auditKeys, bindAuditKeys } from "#lib/audit/keys.ts";
import { openDatabase, type Database, type Db } from "#lib/db/client.ts";
import { claimConsole, type ConsoleClaim } from "#lib/db/console-claim.ts";
import { openBus } from "#lib/events/bus.ts";
import { openJobQueue, type OpenJobQueue } from "#lib/jobs/queue.ts";
import { AppError } from "#lib/errors.ts";
import { secretBox, type SecretBox } from "#lib/secrets/box.ts";
import { checkSecretKey, hasSeal, rememberSecretKey } from "#lib/secrets/key-check.ts";
import { keyFile, readKeyFile } from "#lib/secrets/key-file.ts";
import type { Services } from "#lib/services/context.ts";
import { hostsWithUnreadableSecret } from "#lib/services/host/unreadable-secrets.ts";

export interface OpenServices {
  readonly services: Services;
  readonly database: Database;
  readonly queue: OpenJobQueue;
  /** Null: not asked for, or the embedded database, which belongs to one process anyway. */
  readonly claim: ConsoleClaim | null;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly databaseUrl?: string;
  readonly dataDir: string;
  readonly log: Logger;
  /** A worker joins an installation: it makes no key, and goes away when its key is not the console's. */
  readonly joins?: boolean;
  /** Begin with an empty database although the data folder belongs to an installation. */
  readonly newDatabase?: boolean;
  /** The key that stored secrets were sealed with is lost: from now on this one counts. */
  readonly acceptNewKey?: boolean;
  /** How long a Postgres that cannot be reached is waited for. */
  readonly waitMs?: number;
  /** This process is the console: refused while another one is. Called when another takes its place after a break. */
  readonly displaced?: (holder: string) => void;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** Throws `secret.*`, `db.*`, `data.*`; when joining also `worker.no-key` and `worker.other-key`. */
export async function openServices(options: OpenOptions): Promise<OpenServices> {
  const { log, databaseUrl, displaced } = options;
  let claim: ConsoleClaim | null = null;
  try {
    return await open(options, async () => {
      if (databaseUrl === undefined || displaced === undefined) return null;
      claim ??= await claimConsole(databaseUrl, { log, taken: displaced });
      return claim;
    });
  } catch (error) {
    await (claim as ConsoleClaim | null)?.close();
    throw error;
  }
}

async function open(options: OpenOptions, claim: () => Promise<ConsoleClaim | null>): Promise<OpenServices> {
  const { dataDir, log } = options;
  const keys: { secrets?: SecretBox } = {};
  const database = await openDatabase({
    dataDir,
    log,
    newDatabase: options.newDatabase ?? false,
    joins: options.joins ?? false,
    signal: options.signal,
    beforeChange: async () => {
      await claim();
    },
    // The key tells a wrong folder from the right one: nothing of ours may stay behind in a wrong one.
    beforeMark: async (db) => {
      keys.secrets = secretBox(await secretKey(db, options));
      await settleKey(db, keys.secrets, options);
    },
    ...(options.waitMs === undefined ? {} : { waitMs: options.waitMs }),
    ...(options.databaseUrl === undefined ? {} : { url: options.databaseUrl }),
  });
  try {
    const { secrets } = keys;
    if (secrets === undefined) throw new Error("the database was opened without its key");
    bindAuditKeys(database.db, auditKeys(secrets));
    const claimed = await claim();
    const events = await openBus(database, log);
    const queue = await openJobQueue(database);
    const services = { db: database.db, events, secrets, jobs: queue, dataDir, log };
    if (options.joins !== true) await warnOfUnreadable(services);
    return {
      services,
      database,
      queue,
      claim: claimed,
      async close() {
        await queue.close();
        await events.close();
        await claimed?.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function secretKey(db: Db, { dataDir, joins, acceptNewKey }: OpenOptions): Promise<Buffer> {
  const given = process.env["SUPRAVISOR_SECRET_KEY"];
  if (given) return Buffer.from(given, "base64");
  const path = join(dataDir, "secret.key");
  const there = await readKeyFile(path);
  if (there === null && joins === true) {
    throw new AppError("unprocessable", "worker.no-key", `There is no key of the console in ${path}.`, {
      hint: "Share the console's data folder with this worker, or give both the same SUPRAVISOR_SECRET_KEY.",
    });
  }
  // A key made here would be the wrong one, and would stand in the way of the right one.
  if (there === null && acceptNewKey !== true && (await hasSeal(db))) {
    throw otherKey(`There is no key in ${path}, and the database has secrets that were sealed with one.`);
  }
  return keyFile(path);
}

/** Never replaces the seal by itself: a console with a wrong data folder would lock every worker out. */
async function settleKey(db: Db, secrets: SecretBox, options: OpenOptions): Promise<void> {
  const verdict = await checkSecretKey(db, secrets);
  if (verdict === "same") return;
  if (options.joins === true) {
    throw new AppError("unprocessable", "worker.other-key", "This worker's secret key is not the one of its console.", {
      hint: "Share the console's secret.key, or give both the same SUPRAVISOR_SECRET_KEY; start the console once before its workers.",
    });
  }
  if (verdict === "other" && options.acceptNewKey !== true)
    throw otherKey("The secret key is not the one that the secrets in the database were sealed with.");
  await rememberSecretKey(db, secrets);
}

function otherKey(message: string): AppError {
  return new AppError("conflict", "secret.other-key", message, {
    hint: "Correct SUPRAVISOR_DATA_DIR or SUPRAVISOR_SECRET_KEY, or restore secret.key from the backup. Only when the key is lost for good: start with --accept-new-key, and enter the hosts' secrets again.",
  });
}

async function warnOfUnreadable(services: Services): Promise<void> {
  const names = await hostsWithUnreadableSecret(services);
  if (names.length === 0) return;
  services.log.warn(
    { hosts: names },
    "stored secrets were sealed with another key and cannot be read: enter the secrets of these hosts again",
  );
}
