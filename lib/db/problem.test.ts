import { createServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { DrizzleQueryError, sql } from "drizzle-orm";
import pg from "pg";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AppError } from "#lib/errors.ts";
import { openDatabase, type Database } from "./client.ts";
import { databaseProblem, isTransient } from "./problem.ts";
import { openTestDatabase } from "./testing.ts";
import { postgresPrograms, startTestPostgres } from "./testing-postgres.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close().catch(() => undefined);
});

const coded = (code: string, message = "told by the server") => Object.assign(new Error(message), { code });
const queried = (cause: Error) => new DrizzleQueryError("select secret", ["parameter"], cause);

describe("trouble of the database", () => {
  it.each([
    ["08000", "unreachable", true],
    ["08006", "unreachable", true],
    ["57P01", "unreachable", true],
    ["57P02", "unreachable", true],
    ["57P03", "unreachable", true],
    ["53100", "full", true],
    ["53200", "overloaded", true],
    ["53300", "overloaded", true],
    ["25006", "read-only", true],
    ["40001", "conflict", true],
    ["40P01", "conflict", true],
    ["57014", "timeout", true],
    ["28P01", "refused", false],
    ["3D000", "refused", false],
    ["58030", "broken", false],
    ["XX001", "broken", false],
    ["ECONNREFUSED", "unreachable", true],
    ["ECONNRESET", "unreachable", true],
    ["EAI_AGAIN", "unreachable", true],
  ])("%s is %s, however it is wrapped", (code, trouble, transient) => {
    for (const error of [
      coded(code),
      queried(coded(code)),
      queried(queried(coded(code))),
      new AppError("unavailable", "db.unavailable", "as told before", { cause: queried(coded(code)) }),
    ]) {
      expect(databaseProblem(error)).toMatchObject({ trouble, transient });
      expect(isTransient(error)).toBe(transient);
    }
  });

  it("is none of a wrong query, of another error, or of somebody else's connection", () => {
    for (const error of [
      queried(coded("23505")),
      queried(coded("42P01")),
      queried(coded("42501", "permission denied for table hosts")),
      queried(coded("22P02")),
      new TypeError("fetch failed", { cause: coded("ECONNREFUSED") }),
      new AppError("unavailable", "host.unreachable", "The host is away.", { cause: coded("ECONNRESET") }),
      Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" }),
      coded("ENOENT"),
      new Error("Failed"),
      "text",
      null,
      undefined,
    ])
      expect(databaseProblem(error), String(error)).toBeNull();
    const loop = new Error("its own cause");
    loop.cause = loop;
    expect(databaseProblem(loop)).toBeNull();
  });

  it("is said in words, with a code, when to come back, and without the query's parameters", () => {
    const full = databaseProblem(queried(coded("53100", "could not extend file")))?.error;
    expect(full).toMatchObject({ kind: "unavailable", code: "db.full", details: { reason: "full", retryAfter: 30 } });
    const away = databaseProblem(queried(coded("57P01")))?.error;
    expect(away).toMatchObject({ kind: "unavailable", code: "db.unavailable", details: { reason: "unreachable" } });
    expect(`${away?.message} ${away?.hint}`).not.toMatch(/secret|parameter/);
  });

  it("of the embedded engine's files is told by their system's number", () => {
    for (const [errno, trouble] of [
      [51, "full"],
      [69, "read-only"],
      [2, "no-rights"],
    ] as const)
      expect(databaseProblem({ name: "ErrnoError", errno })).toMatchObject({ trouble });
    const open = (why: string) => coded("42501", `could not open file "base/5/1259": ${why}`);
    expect(databaseProblem(open("Permission denied"))).toMatchObject({ trouble: "no-rights", transient: false });
    expect(databaseProblem(open("Read-only file system"))).toMatchObject({ trouble: "read-only" });
  });

  it("is known of an embedded database that was closed", async () => {
    const database = await openTestDatabase();
    await database.close();
    const error = await database.ping().catch((thrown: unknown) => thrown);
    expect(databaseProblem(error)).toMatchObject({ trouble: "unreachable" });
  });
});

describe("a Postgres address where nobody answers as Postgres does", () => {
  it("is unreachable: refused, closed at once, or silent", async () => {
    const accepted: Socket[] = [];
    const server = createServer((socket) => {
      accepted.push(socket.on("error", () => undefined));
      socket.end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const ask = async (connectionTimeoutMillis: number): Promise<unknown> => {
      const client = new pg.Client({ host: "127.0.0.1", port, user: "nobody", connectionTimeoutMillis });
      client.on("error", () => undefined);
      return client.connect().catch((error: unknown) => error);
    };
    expect(databaseProblem(await ask(5000))).toMatchObject({ trouble: "unreachable", transient: true });
    server.removeAllListeners("connection");
    server.on("connection", (socket) => accepted.push(socket.on("error", () => undefined)));
    expect(databaseProblem(await ask(200))).toMatchObject({ trouble: "unreachable", transient: true });
    for (const socket of accepted) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    expect(databaseProblem(await ask(5000))).toMatchObject({ trouble: "unreachable", transient: true });
  });
});

describe.skipIf(postgresPrograms === null)("a real Postgres", () => {
  const trouble = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error: unknown) => databaseProblem(error)?.trouble ?? error,
    );
  const terminate = (db: Database["db"]) =>
    db.execute(sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()`);

  /** A connection that was ended is only noticed after a moment. */
  const answers = (database: Database) => vi.waitFor(() => database.ping(), { timeout: 10_000, interval: 50 });

  it("tells its troubles in ways that are all known", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const database = await openDatabase({ url: postgres.url, dataDir: null });
    closers.push(() => database.close());
    const other = await openDatabase({ url: postgres.url, dataDir: null });
    closers.push(() => other.close());
    const { db } = database;
    const user = sql`insert into settings (key, value) values ('a', '1')`;

    await db.execute(sql`alter database postgres set default_transaction_read_only = on`);
    await terminate(db);
    await answers(other);
    expect(await trouble(other.db.execute(user))).toBe("read-only");
    await db.execute(sql`alter database postgres set default_transaction_read_only = off`);
    await terminate(db);
    await answers(other);

    const limited = db.transaction(async (tx) => {
      await tx.execute(sql`set local statement_timeout = 50`);
      await tx.execute(sql`select pg_sleep(10)`);
    });
    expect(await trouble(limited)).toBe("timeout");
    await terminate(other.db);
    // In the middle of a transaction, between two statements and within one.
    expect(
      await trouble(
        db.transaction(async (tx) => {
          await tx.execute(sql`select 1`);
          await terminate(other.db);
          await new Promise((resolve) => setTimeout(resolve, 200));
          await tx.execute(sql`select 1`);
        }),
      ),
    ).toBe("unreachable");
    const slow = trouble(db.execute(sql`select pg_sleep(10)`));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await terminate(other.db);
    expect(await slow).toBe("unreachable");

    await postgres.stop();
    expect(await trouble(db.execute(sql`select 1`))).toBe("unreachable");
    expect(await trouble(db.transaction((tx) => tx.execute(sql`select 1`)))).toBe("unreachable");
    await postgres.start();
    expect(await trouble(db.execute(sql`select 1`))).toBe("none");
  });

  it("that breaks in a transaction, or before it begins, takes no connection of the pool with it", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const database = await openDatabase({ url: postgres.url, dataDir: null });
    closers.push(() => database.close());
    const { db } = database;
    const other = await openDatabase({ url: postgres.url, dataDir: null });
    closers.push(() => other.close());
    // More often than the pool has connections: idle ones that are gone, and ones that go between two statements.
    for (let round = 0; round < 10; round += 1) {
      await Promise.allSettled(Array.from({ length: 3 }, () => db.execute(sql`select pg_sleep(0.05)`)));
      await terminate(other.db);
      await Promise.allSettled(Array.from({ length: 3 }, () => db.transaction((tx) => tx.execute(sql`select 1`))));
      const open = db.transaction(async (tx) => {
        await tx.execute(sql`select 1`);
        await terminate(other.db);
        await new Promise((resolve) => setTimeout(resolve, 50));
      });
      expect(await trouble(open)).toBe("unreachable");
    }
    await answers(database);
    const all = Array.from({ length: 12 }, () => db.transaction((tx) => tx.execute(sql`select pg_sleep(0.1)`)));
    expect((await Promise.allSettled(all)).map((one) => one.status)).toEqual(all.map(() => "fulfilled"));
  });

  it("keeps what a transaction throws, and gives the connection back clean", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const database = await openDatabase({ url: postgres.url, dataDir: null });
    closers.push(() => database.close());
    const pid = async (): Promise<unknown> => {
      const { rows } = (await database.db.execute(sql`select pg_backend_pid() as pid`)) as unknown as {
        rows: unknown[];
      };
      return rows;
    };
    const before = await pid();
    const refused = new AppError("conflict", "request.decided", "It is decided.");
    await expect(
      database.db.transaction(async (tx) => {
        await tx.execute(sql`insert into settings (key, value) values ('a', '1')`);
        throw refused;
      }),
    ).rejects.toBe(refused);
    expect(await pid()).toEqual(before);
    const { rows } = (await database.db.execute(
      sql`select count(*)::int as n from settings where key = 'a'`,
    )) as unknown as {
      rows: unknown[];
    };
    expect(rows).toEqual([{ n: 0 }]);
  });
});
