import { sql } from "drizzle-orm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openDatabase } from "#lib/db/client.ts";
import { testServices } from "#lib/db/testing.ts";
import { postgresPrograms, startTestPostgres } from "#lib/db/testing-postgres.ts";
import { bearer, serveApi } from "./testing-server.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.skipIf(postgresPrograms === null)("an answer while the database has trouble", () => {
  async function setUp() {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const services = await testServices(postgres.url);
    closers.push(() => services.close());
    const api = await serveApi(services);
    closers.push(() => api.close());
    const { authorization } = await bearer(services, "administrator");
    const ask = (method: string, path: string, body?: unknown) => api.ask(method, path, { authorization }, body);
    /** Until the pool has noticed that its connections were ended. */
    const recovers = () =>
      vi.waitFor(async () => expect((await ask("GET", "/hosts")).status).toBe(200), { timeout: 20_000, interval: 100 });
    return { postgres, services, api, ask, recovers };
  }
  const word = (reason: string, code = "db.unavailable") => ({
    status: 503,
    json: {
      error: { kind: "unavailable", code, message: expect.any(String), hint: expect.any(String), details: { reason } },
    },
  });

  it("says that it is away, when to come back, and works again by itself", async () => {
    const { postgres, api, ask, recovers } = await setUp();
    expect((await ask("GET", "/hosts")).status).toBe(200);
    await postgres.stop();
    for (const [method, path, body] of [
      ["GET", "/hosts", undefined],
      ["GET", "/requests", undefined],
      ["PATCH", "/settings", { waiveApproval: true }],
      ["POST", "/login", { email: "a@example.test", password: "wrong password" }],
    ] as const)
      expect(await ask(method, path, body), path).toMatchObject(word("unreachable"));
    const raw = await fetch(`${api.base}/hosts`, { headers: { authorization: "Bearer svt_aaaaaaaaaaaaaaaaaaaaaaaa" } });
    expect(Number(raw.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(JSON.stringify(await raw.json())).not.toMatch(/select|ECONN|ENOENT|postgres@/);
    await postgres.start();
    await recovers();
  });

  it("of a read-only database reads, and says why nothing can be changed", async () => {
    const { postgres, services, ask, recovers } = await setUp();
    const admin = await openDatabase({ url: postgres.url, dataDir: null });
    closers.push(() => admin.close());
    const become = async (readOnly: "on" | "off") => {
      await admin.db.transaction(async (tx) => {
        await tx.execute(sql`set transaction read write`);
        await tx.execute(sql.raw(`alter database postgres set default_transaction_read_only = ${readOnly}`));
        await tx.execute(
          sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null`,
        );
      });
    };
    // The token was never used: its first use would be written.
    await services.db.execute(sql`update api_tokens set last_used_at = null`);
    await become("on");
    await recovers();
    expect(await ask("PATCH", "/settings", { waiveApproval: true })).toMatchObject(word("read-only"));
    await become("off");
    await recovers();
    expect((await ask("PATCH", "/settings", { waiveApproval: true })).status).toBe(200);
  });
});
