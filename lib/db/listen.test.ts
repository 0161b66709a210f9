import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openBus, type EventBus } from "#lib/events/bus.ts";
import type { LiveEvent } from "#lib/domain/page.ts";
import { openDatabase, type Database } from "./client.ts";
import { LISTENER_NAME, listenPostgres } from "./listen.ts";
import { postgresPrograms, startTestPostgres, type TestPostgres } from "./testing-postgres.ts";
import { startTestProxy } from "./testing-proxy.ts";

/** How long Postgres is away in the outage test; the long form of the suite asks for a minute. */
const OUTAGE_S = Number(process.env["SUPRAVISOR_TEST_OUTAGE_S"] ?? 10);
const TIMING = { connectMs: 2000, probeMs: 300, steadyMs: 10_000 };

describe.skipIf(postgresPrograms === null)("LISTEN on a real Postgres", () => {
  let postgres: TestPostgres;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  afterAll(() => postgres.close());

  const open = async (url = postgres.url): Promise<Database> => {
    const database = await openDatabase({ url, dataDir: null });
    closers.push(() => database.close());
    return database;
  };
  const listeners = async ({ db }: Database): Promise<number> => {
    const { rows } = (await db.execute(
      sql`select count(*)::int as n from pg_stat_activity where application_name = ${LISTENER_NAME}`,
    )) as unknown as { rows: { n: number }[] };
    return rows[0]?.n ?? -1;
  };
  /** Sockets that this process opens while `work` runs: refused ones are seen nowhere else. */
  const attemptsDuring = async (work: () => Promise<unknown>): Promise<number> => {
    let attempts = 0;
    const count = (): void => {
      attempts += 1;
    };
    subscribe("net.client.socket", count);
    try {
      await work();
    } finally {
      unsubscribe("net.client.socket", count);
    }
    return attempts;
  };

  it.each(["refuse", "close"] as const)(
    "knocks ever more seldom where connections are met with %s, and no more once it was closed",
    async (mode) => {
      const proxy = await startTestProxy(postgres.socket);
      closers.push(() => proxy.close());
      const gap = vi.fn();
      const heard: string[] = [];
      const close = await listenPostgres(proxy.url, "knock", { notified: (text) => heard.push(text), gap });
      await proxy.become(mode);
      const attempts = await attemptsDuring(() => delay(15_000));
      expect(attempts).toBeGreaterThanOrEqual(3);
      expect(attempts).toBeLessThanOrEqual(15);

      await proxy.become("pass");
      const { db } = await open();
      await vi.waitFor(() => expect(gap).toHaveBeenCalledTimes(1), { timeout: 20_000, interval: 100 });
      await db.execute(sql`select pg_notify('knock', 'once')`);
      await vi.waitFor(() => expect(heard).toEqual(["once"]), { timeout: 5000 });

      await proxy.become(mode);
      await close();
      expect(await attemptsDuring(() => delay(3000))).toBe(0);
      expect(gap).toHaveBeenCalledTimes(1);
    },
    60_000,
  );

  it("is closed at once, in the middle of an attempt that nobody answers", async () => {
    const proxy = await startTestProxy(postgres.socket);
    closers.push(() => proxy.close());
    const close = await listenPostgres(proxy.url, "closing", { notified: () => undefined, gap: () => undefined });
    await proxy.become("close");
    await proxy.become("silent");
    const before = proxy.accepted();
    await vi.waitFor(() => expect(proxy.accepted()).toBeGreaterThan(before), { timeout: 10_000 });
    const closed = close().then(() => "closed");
    // The attempt itself would go on for ten seconds.
    expect(await Promise.race([closed, delay(6000, "still waiting")])).toBe("closed");
  });

  it("notices a connection that carries nothing any more", async () => {
    const proxy = await startTestProxy(postgres.socket);
    closers.push(() => proxy.close());
    const gap = vi.fn();
    const heard: string[] = [];
    const close = await listenPostgres(proxy.url, "silence", { notified: (text) => heard.push(text), gap }, TIMING);
    closers.push(close);
    await proxy.become("silent");
    await delay(2500);
    await proxy.become("pass");
    await vi.waitFor(() => expect(gap).toHaveBeenCalled(), { timeout: 20_000, interval: 100 });
    const { db } = await open();
    const hears = async (): Promise<void> => {
      await db.execute(sql`select pg_notify('silence', 'again')`);
      await delay(300);
      expect(heard).toContain("again");
    };
    await vi.waitFor(hears, { timeout: 20_000 });
  });

  it(
    `has one connection after the database was away for ${OUTAGE_S} s, and each event arrives once`,
    async () => {
      const here = await open();
      const there = await open();
      const heard: LiveEvent[] = [];
      const openOne = async (database: Database): Promise<EventBus> => {
        const bus = await openBus(database);
        closers.push(() => bus.close());
        return bus;
      };
      const listening = await openOne(here);
      const speaking = await openOne(there);
      listening.subscribe((event) => heard.push(event));
      expect(await listeners(here)).toBe(2);

      await postgres.stop();
      speaking.publish({ type: "host", id: "while away" });
      await delay(OUTAGE_S * 1000);
      await postgres.start();
      await vi.waitFor(() => expect(heard).toContainEqual({ type: "gap" }), { timeout: 30_000, interval: 100 });
      await vi.waitFor(async () => expect(await listeners(here)).toBe(2), { timeout: 30_000, interval: 200 });
      // Whatever else was about to connect has had its time.
      await delay(12_000);
      expect(await listeners(here)).toBe(2);

      heard.length = 0;
      for (let n = 0; n < 50; n += 1) speaking.publish({ type: "host", id: String(n) });
      await vi.waitFor(() => expect(heard).toHaveLength(50), { timeout: 10_000 });
      await delay(500);
      expect(heard.map((event) => ("id" in event ? event.id : event.type))).toEqual(
        Array.from({ length: 50 }, (_, n) => String(n)),
      );
    },
    120_000 + OUTAGE_S * 1000,
  );
});
