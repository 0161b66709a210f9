/** A database and services for tests: everything real but in memory, and a silent log. */
import { mkdtemp, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { auditKeys, bindAuditKeys } from "#lib/audit/keys.ts";
import { localBus } from "#lib/events/bus.ts";
import { openJobQueue } from "#lib/jobs/queue.ts";
import { secretBox } from "#lib/secrets/box.ts";
import type { Services } from "#lib/services/context.ts";
import { openDatabase, type Database } from "./client.ts";
import { testSnapshot } from "./testing-snapshot.ts";

/** Migrated and empty. */
export function openTestDatabase(): Promise<Database> {
  return openDatabase({ dataDir: null, snapshot: testSnapshot() });
}

export interface TestServices extends Services {
  readonly database: Database;
  close(): Promise<void>;
}

/** In memory, or on the Postgres of this address. */
export async function testServices(url?: string): Promise<TestServices> {
  const database = await openDatabase({
    dataDir: null,
    ...(url === undefined ? { snapshot: testSnapshot() } : { url }),
  });
  const dataDir = await mkdtemp(join(tmpdir(), "supravisor-test-"));
  const queue = await openJobQueue(database);
  const secrets = secretBox(randomBytes(32));
  bindAuditKeys(database.db, auditKeys(secrets));
  return {
    database,
    db: database.db,
    events: localBus(),
    secrets,
    jobs: queue,
    dataDir,
    log: pino({ level: "silent" }),
    async close() {
      await queue.close();
      await database.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
