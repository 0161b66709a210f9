import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { postgresPrograms, startTestPostgres } from "#lib/db/testing-postgres.ts";
import { startTestProxy } from "#lib/db/testing-proxy.ts";
import { workers } from "#lib/db/schema.ts";
import { bearer, serveApi } from "./testing-server.ts";

// Everything here starts a database and a queue.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
/** The answer of a probe is shared for a second. */
const later = () => new Promise((resolve) => setTimeout(resolve, 1100));

async function serve(url?: string): Promise<{ services: TestServices; api: Awaited<ReturnType<typeof serveApi>> }> {
  const services = await testServices(url);
  closers.push(() => services.close());
  const api = await serveApi(services);
  closers.push(() => api.close());
  return { services, api };
}

describe("health", () => {
  it("tells strangers a status alone, and people who are signed in the rest; clocks are the database's", async () => {
    const { services, api } = await serve();
    const beat = (name: string, heartbeat: string, clock: string, version = "0.0.1") =>
      services.db.insert(workers).values({
        id: randomUUID(),
        name,
        version,
        heartbeatAt: sql.raw(`now() - interval '${heartbeat}'`) as never,
        clockAt: sql.raw(`now() + interval '${clock}'`) as never,
      });
    await beat("living with a slow clock", "1 second", "-30 hours");
    await beat("dead with a fast clock", "10 minutes", "2 hours");
    const bare = await api.ask("GET", "/health");
    expect(bare).toMatchObject({ status: 200, json: { status: "ok" } });
    expect(Object.keys(bare.json as object)).toEqual(["status"]);
    expect((await api.ask("GET", "/health", { authorization: "Bearer svt_unknownunknownunknown" })).json).toEqual({
      status: "ok",
    });

    const { authorization } = await bearer(services, "auditor");
    expect(await api.ask("GET", "/health", { authorization })).toMatchObject({
      status: 200,
      json: {
        status: "ok",
        checks: { database: true, schema: true, disk: true, console: true },
        workers: expect.arrayContaining([
          expect.objectContaining({
            name: "living with a slow clock",
            alive: true,
            note: expect.stringMatching(/clock is 1\d+ s behind.* version 0\.0\.1/),
          }),
          expect.objectContaining({
            name: "dead with a fast clock",
            alive: false,
            note: expect.stringMatching(/clock is \d+ s ahead of/),
          }),
        ]),
      },
    });
    expect(await api.ask("GET", "/health/live")).toMatchObject({ status: 200, json: { status: "live" } });
    expect(await api.ask("GET", "/health/ready")).toMatchObject({ status: 200, json: { status: "ready" } });
  });

  it("is not ready with tables of another release", async () => {
    const { services, api } = await serve();
    await services.db.execute(
      sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('later', 9999999999999)`,
    );
    expect(await api.ask("GET", "/health/ready")).toMatchObject({ status: 503, json: { checks: { schema: false } } });
  });
});

describe.skipIf(postgresPrograms === null)("health on a Postgres in trouble", () => {
  it("answers in time whatever the database does, and liveness does not ask it", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const proxy = await startTestProxy(postgres.socket);
    closers.push(() => proxy.close());
    const { services, api } = await serve(proxy.url);
    const { authorization } = await bearer(services, "auditor");
    const timed = async (path: string) => {
      const began = performance.now();
      const answer = await api.ask("GET", path, { authorization });
      // Two seconds for each of the questions, which are asked at once; the rest is for a busy machine.
      expect(performance.now() - began).toBeLessThan(9000);
      return answer;
    };
    expect((await timed("/health/ready")).status).toBe(200);
    for (const mode of ["refuse", "silent"] as const) {
      await later();
      await proxy.become(mode);
      expect(await timed("/health/ready")).toMatchObject({ status: 503, json: { checks: { database: false } } });
      expect((await timed("/health")).status).toBe(503);
      expect((await timed("/health/live")).status).toBe(200);
      await proxy.become("pass");
    }
  });

  it("is not ready while the database is read-only", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const { services, api } = await serve(postgres.url);
    await services.db.execute(sql`alter database postgres set default_transaction_read_only = on`);
    await services.db.execute(
      sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null`,
    );
    await services.db.execute(sql`set default_transaction_read_only = on`);
    expect(await api.ask("GET", "/health/ready")).toMatchObject({ status: 503, json: { checks: { database: false } } });
    await services.db.transaction(async (tx) => {
      await tx.execute(sql`set transaction read write`);
      await tx.execute(sql`alter database postgres set default_transaction_read_only = off`);
    });
  });
});
