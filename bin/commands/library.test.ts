import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { lockDataDir } from "#lib/db/lock.ts";
import { openDatabase } from "#lib/db/client.ts";
import { LibraryCheck } from "#lib/domain/library-check.ts";
import { openLibrary } from "#lib/library/store.ts";

const program = join(import.meta.dirname, "..", "supravisor.ts");
let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "library-check-cli-"));
  const database = await openDatabase({ dataDir });
  const { root } = await openLibrary({ db: database.db, dataDir });
  await database.close();
  await writeFile(join(root, "notes.txt"), "");
}, 400_000);
afterAll(() => rm(dataDir, { recursive: true }));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, DATABASE_URL: "" };
  return new Promise((resolve) =>
    execFile(process.execPath, [program, "library", "check", ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    ),
  );
}

it("compares a data folder without a console, and says by its exit code whether all is well", async () => {
  const json = await run("--data", dataDir, "--json");
  expect(json.code).toBe(1);
  expect(LibraryCheck.parse(JSON.parse(json.stdout)).findings).toMatchObject([
    { fault: "unknown-file", place: "library/notes.txt", version: null },
  ]);
  const words = await run("--data", dataDir);
  expect(words.stdout).toContain("The file notes.txt belongs to no image.");
  // Nothing was removed by it.
  await rm(join(dataDir, "library", "notes.txt"));
  expect(await run("--data", dataDir)).toMatchObject({
    code: 0,
    stdout: "0 files of 0 versions are as the database knows them.\n",
  });
}, 600_000);

it("makes no database where there is none, and leaves one alone that is in use", async () => {
  const empty = await mkdtemp(join(tmpdir(), "library-check-cli-"));
  try {
    const none = await run("--data", empty, "--json");
    expect(none.code).toBe(1);
    expect(none.stderr).toContain("db.not-found");
    expect(await readdir(empty)).toEqual([]);
  } finally {
    await rm(empty, { recursive: true });
  }
  const lock = await lockDataDir(dataDir);
  try {
    expect((await run("--data", dataDir)).stderr).toContain("data.in-use");
  } finally {
    await lock.release();
  }
}, 400_000);
