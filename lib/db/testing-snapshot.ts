/**
 * Set-up of the whole test run: one database that is migrated and holds the queue's tables, kept as a file. Tests begin
 * with it, each with a copy of its own in memory, instead of making and migrating one each.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openJobQueue } from "#lib/jobs/queue.ts";
import { openDatabase } from "./client.ts";

/** Processes of the run read from it where the file lies. */
const PATH = "SUPRAVISOR_TEST_SNAPSHOT";

export default async function setup(): Promise<() => void> {
  const database = await openDatabase({ dataDir: null });
  await (await openJobQueue(database)).close();
  const dump = await database.pglite?.dumpDataDir("none");
  await database.close();
  if (dump === undefined) throw new Error("the embedded database gave no dump");
  const folder = mkdtempSync(join(tmpdir(), "supravisor-snapshot-"));
  const path = join(folder, "database.tar");
  writeFileSync(path, Buffer.from(await dump.arrayBuffer()));
  process.env[PATH] = path;
  return () => rmSync(folder, { recursive: true, force: true });
}

/** Undefined outside of such a run: the database is made from nothing. */
export function testSnapshot(): Blob | undefined {
  const path = process.env[PATH];
  return path === undefined ? undefined : new Blob([readFileSync(path)]);
}
