/** Databases that are missing, empty, from elsewhere, too new, or cannot be opened: what is refused, and how. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openDatabase, type Database } from "./client.ts";
import { databaseProblem } from "./problem.ts";
import { postgresPrograms, startTestPostgres, type TestPostgres } from "./testing-postgres.ts";

// The engine takes seconds to start, and this starts it often.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let base: string;
const made: string[] = [];
const databases: Database[] = [];
const folder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), "supravisor-missing-"));
  made.push(path);
  return path;
};
/** A copy of a data folder with a database in it. */
const used = async (): Promise<string> => {
  const path = await folder();
  await cp(base, path, { recursive: true });
  return path;
};
const open = async (options: Parameters<typeof openDatabase>[0]): Promise<Database> => {
  const database = await openDatabase(options);
  databases.push(database);
  return database;
};
const refused = async (options: Parameters<typeof openDatabase>[0]) => {
  const error = (await open(options).then(
    () => ({ code: "opened" }),
    (thrown: unknown) => thrown,
  )) as { code: string; message: string; hint?: string };
  return error;
};
const value = async (database: Database): Promise<unknown> =>
  (
    (await database.db.execute(sql`select value from settings where key = 'proof'`)) as unknown as {
      rows: { value: unknown }[];
    }
  ).rows[0]?.value;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "supravisor-missing-"));
  const database = await openDatabase({ dataDir: base });
  await database.db.execute(sql`insert into settings (key, value) values ('proof', '"kept"')`);
  await database.close();
});
afterEach(async () => {
  for (const database of databases.splice(0).reverse()) await database.close().catch(() => undefined);
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true });
});
afterAll(() => rm(base, { recursive: true, force: true }));

describe("an embedded database", () => {
  it("is made in a new folder, and found again", async () => {
    const dataDir = await folder();
    await (await openDatabase({ dataDir })).close();
    const mark = await readFile(join(dataDir, "installation.json"), "utf8");
    expect(await readdir(dataDir)).toEqual(expect.arrayContaining(["db", "installation.json"]));
    expect(await readdir(dataDir)).not.toContain("db.making");
    await (await openDatabase({ dataDir })).close();
    expect(await readFile(join(dataDir, "installation.json"), "utf8")).toBe(mark);
  });

  it.each([
    ["db/PG_VERSION is gone", async (dataDir: string) => rm(join(dataDir, "db", "PG_VERSION"))],
    ["db is gone", async (dataDir: string) => rm(join(dataDir, "db"), { recursive: true })],
    [
      "db is an empty mount, beside keys alone",
      async (dataDir: string) => {
        await rm(join(dataDir, "db"), { recursive: true });
        await rm(join(dataDir, "installation.json"));
        await mkdir(join(dataDir, "db"));
        await writeFile(join(dataDir, "secret.key"), "key");
      },
    ],
    [
      "db is gone, beside a library alone",
      async (dataDir: string) => {
        await rm(join(dataDir, "db"), { recursive: true });
        await rm(join(dataDir, "installation.json"));
        await mkdir(join(dataDir, "library"));
        await writeFile(join(dataDir, "library", ".library-id"), "id");
      },
    ],
  ])("is not replaced by an empty one when %s", async (_what, damage) => {
    const dataDir = await used();
    await damage(dataDir);
    const before = await readdir(dataDir, { recursive: true });
    const error = await refused({ dataDir });
    expect(error).toMatchObject({ code: "db.missing", hint: expect.stringContaining("--new-database") });
    expect(error.message).toContain(dataDir);
    expect(await readdir(dataDir, { recursive: true })).toEqual(before);
  });

  it("is not made over files that nobody knows", async () => {
    const dataDir = await folder();
    await mkdir(join(dataDir, "db"));
    await writeFile(join(dataDir, "db", "precious"), "data");
    expect(await refused({ dataDir })).toMatchObject({ code: "db.incomplete" });
    expect(await readFile(join(dataDir, "db", "precious"), "utf8")).toBe("data");
  });

  it("is begun again after a first start that was cut short", async () => {
    const dataDir = await folder();
    await mkdir(join(dataDir, "db"));
    await writeFile(join(dataDir, "db", "postgresql.conf"), "");
    await writeFile(join(dataDir, "db.making"), "");
    await (await openDatabase({ dataDir })).close();
    expect(existsSync(join(dataDir, "db", "PG_VERSION"))).toBe(true);
  });

  it("is made anew when that is wanted, and the old files are put aside; one that is there is opened as it is", async () => {
    const dataDir = await used();
    await (await openDatabase({ dataDir, newDatabase: true })).close();
    const mark = await readFile(join(dataDir, "installation.json"), "utf8");
    await rm(join(dataDir, "db", "PG_VERSION"));
    const database = await open({ dataDir, newDatabase: true });
    expect(await value(database)).toBeUndefined();
    const aside = (await readdir(dataDir)).find((name) => name.startsWith("db.aside-"));
    expect(await readdir(join(dataDir, aside ?? "none"))).toContain("base");
    expect(await readFile(join(dataDir, "installation.json"), "utf8")).not.toBe(mark);
  });

  it.each([
    ["of another engine", "db.other-version", async (db: string) => writeFile(join(db, "PG_VERSION"), "16\n"), "16"],
    [
      "without its control file",
      "db.damaged",
      async (db: string) => rm(join(db, "global", "pg_control")),
      "pg_control",
    ],
    ["without its log", "db.damaged", async (db: string) => rm(join(db, "pg_wal"), { recursive: true }), "pg_wal"],
  ])("%s is refused as %s, with the engine's own words", async (_what, code, damage, said) => {
    const dataDir = await used();
    await damage(join(dataDir, "db"));
    const error = await refused({ dataDir });
    expect(error.code).toBe(code);
    expect(error.message).toContain(said);
  });

  it("of a newer release is refused, and not touched", async () => {
    const dataDir = await used();
    const newer = await openDatabase({ dataDir });
    await newer.db.execute(
      sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of a later release', 9999999999999)`,
    );
    await newer.close();
    expect(await refused({ dataDir })).toMatchObject({ code: "db.newer" });
  });

  it("of another installation than its folder is refused", async () => {
    const dataDir = await used();
    await writeFile(join(dataDir, "installation.json"), JSON.stringify({ id: "another" }));
    expect(await refused({ dataDir })).toMatchObject({ code: "db.other-installation" });
  });
});

const isRoot = process.getuid?.() === 0;

/** A small file system, which only root can make. */
async function smallFileSystem(megabytes: number): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "supravisor-small-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path]);
  return {
    path,
    async remove() {
      execFileSync("umount", ["-l", path]);
      await rm(path, { recursive: true });
    },
  };
}
/** To the last byte; answers with the function that frees it. */
async function fill(path: string): Promise<() => Promise<void>> {
  const file = join(path, "filler");
  const { openSync, writeSync, closeSync } = await import("node:fs");
  const fd = openSync(file, "w");
  for (const size of [1 << 20, 4096])
    for (;;) {
      try {
        writeSync(fd, Buffer.alloc(size));
      } catch {
        break;
      }
    }
  closeSync(fd);
  return () => rm(file);
}

describe.skipIf(!isRoot || process.platform !== "linux")(
  "an embedded database without space (needs root for a tmpfs)",
  () => {
    it("says so when it is opened and while it runs, and goes on once there is space, without a restart", async () => {
      const disk = await smallFileSystem(120);
      try {
        const dataDir = join(disk.path, "data");
        await cp(base, dataDir, { recursive: true });
        let free = await fill(disk.path);
        const error = await refused({ dataDir });
        expect(error.code).toBe("db.full");
        expect(`${error.message} ${error.hint ?? ""}`).not.toMatch(/restore the/i);
        await free();

        const database = await open({ dataDir });
        const write = () =>
          database.db
            .execute(
              sql`insert into settings (key, value) select gen_random_uuid()::text, to_jsonb(repeat(md5(random()::text), 60)) from generate_series(1, 40)`,
            )
            .then(
              () => "stored",
              (thrown: unknown) => databaseProblem(thrown)?.error.code ?? thrown,
            );
        free = await fill(disk.path);
        const answers: unknown[] = [];
        for (let n = 0; n < 30; n += 1) answers.push(await write());
        expect(new Set(answers.slice(-5))).toEqual(new Set(["db.full"]));
        expect(await value(database)).toBe("kept");
        await free();
        expect(await write()).toBe("stored");
      } finally {
        for (const database of databases.splice(0)) await database.close();
        await disk.remove();
      }
    });
  },
);

describe.skipIf(!isRoot || process.platform !== "linux")(
  "an embedded database of another account (needs root to become another)",
  () => {
    it("is no damage", async () => {
      const dataDir = await used();
      await chmod(dataDir, 0o755);
      execFileSync("chmod", ["-R", "a+rX", dataDir]);
      const program = `
      const { openDatabase } = await import(${JSON.stringify(join(import.meta.dirname, "client.ts"))});
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      await openDatabase({ dataDir: ${JSON.stringify(dataDir)} }).then(
        () => console.log("opened"), (error) => console.log(JSON.stringify({ code: error.code, message: error.message })));
      process.exit(0);`;
      const said = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
        cwd: join(import.meta.dirname, "..", ".."),
        encoding: "utf8",
        env: { ...process.env, NODE_OPTIONS: "" },
      });
      expect(JSON.parse(said)).toMatchObject({ code: "db.no-rights" });
    });
  },
);

describe.skipIf(postgresPrograms === null)("a database on Postgres", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterAll(() => postgres.close());
  const empty = async (): Promise<string> => {
    const admin = await openDatabase({ url: postgres.url, dataDir: null });
    const name = `empty_${Math.random().toString(36).slice(2)}`;
    await admin.db.execute(sql.raw(`create database ${name}`));
    await admin.close();
    return postgres.url.replace("/postgres?", `/${name}?`);
  };

  it("that is empty is not taken by a folder that knows an installation, nor by a worker, and stays empty", async () => {
    const dataDir = await folder();
    await (await openDatabase({ url: await empty(), dataDir })).close();
    const url = await empty();
    expect(await refused({ url, dataDir })).toMatchObject({ code: "db.missing" });
    expect(await refused({ url, dataDir: await folder(), joins: true })).toMatchObject({ code: "db.empty" });
    const { schemaState } = await import("./migrations.ts");
    const { default: pg } = await import("pg");
    const { drizzle } = await import("drizzle-orm/node-postgres");
    const pool = new pg.Pool({ connectionString: url });
    expect(await schemaState(drizzle(pool) as never)).toMatchObject({ empty: true });
    await pool.end();
    await open({ url, dataDir, newDatabase: true });
  });

  it("takes a new folder beside given keys, and a restored folder without its mark", async () => {
    const url = await empty();
    const dataDir = await folder();
    await writeFile(join(dataDir, "secret.key"), "given beforehand");
    await (await openDatabase({ url, dataDir })).close();
    const mark = await readFile(join(dataDir, "installation.json"), "utf8");
    await rm(join(dataDir, "installation.json"));
    await (await openDatabase({ url, dataDir })).close();
    expect(await readFile(join(dataDir, "installation.json"), "utf8")).toBe(mark);
    const other = await folder();
    await (await openDatabase({ url: await empty(), dataDir: other })).close();
    expect(await refused({ url, dataDir: other })).toMatchObject({ code: "db.other-installation" });
  });

  it("of a newer release is refused to everybody, of an older one to workers", async () => {
    const url = await empty();
    const dataDir = await folder();
    const database = await open({ url, dataDir });
    const { rows } = (await database.db.execute(
      sql`delete from drizzle.__drizzle_migrations where created_at = (select max(created_at) from drizzle.__drizzle_migrations) returning hash, created_at`,
    )) as unknown as { rows: { hash: string; created_at: string }[] };
    expect(await refused({ url, dataDir, joins: true })).toMatchObject({ code: "db.older" });
    for (const row of rows)
      await database.db.execute(
        sql`insert into drizzle.__drizzle_migrations (hash, created_at) values (${row.hash}, ${row.created_at})`,
      );
    await database.db.execute(
      sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('later', 9999999999999)`,
    );
    for (const joins of [true, false])
      expect(await refused({ url, dataDir, joins })).toMatchObject({ code: "db.newer" });
  });

  it("that starts later than we do is waited for, within a bound", async () => {
    await postgres.stop();
    const warned: string[] = [];
    const log = { warn: (_: unknown, text?: string) => warned.push(text ?? "") } as never;
    expect(await refused({ url: postgres.url, dataDir: null, waitMs: 1500, log })).toMatchObject({
      code: "db.unreachable",
    });
    const late = openDatabase({ url: postgres.url, dataDir: null, waitMs: 60_000, log });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await postgres.start();
    databases.push(await late);
    expect(warned).toHaveLength(2);
  });

  it("whose address is wrong is not waited for", async () => {
    const url = postgres.url.replace("/postgres?", "/no_such_database?");
    const began = performance.now();
    expect(await refused({ url, dataDir: null, waitMs: 60_000 })).toMatchObject({ code: "db.unreachable" });
    expect(performance.now() - began).toBeLessThan(30_000);
  });
});
