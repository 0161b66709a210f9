import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openDatabase } from "./client.ts";
import { claimConsole, type ConsoleClaim } from "./console-claim.ts";
import { postgresPrograms, startTestPostgres } from "./testing-postgres.ts";
import { startTestProxy } from "./testing-proxy.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe.skipIf(postgresPrograms === null)("the claim of a console on its Postgres", () => {
  const claim = async (url: string, taken: (holder: string) => void = () => undefined): Promise<ConsoleClaim> => {
    const made = await claimConsole(url, { log, taken, waitMs: 300 });
    closers.push(() => made.close());
    return made;
  };

  it("is one process's; another is told whose; and it is free when that one has ended", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const first = await claim(postgres.url);
    await expect(claim(postgres.url)).rejects.toMatchObject({
      code: "console.running",
      message: expect.stringMatching(new RegExp(`process ${process.pid} on .+, since \\d{4}-`)),
    });
    await first.close();
    expect((await claim(postgres.url)).state()).toBe("held");
  });

  it("is taken again after the database was restarted, and once only", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const taken = vi.fn();
    const first = await claim(postgres.url, taken);
    await postgres.stop();
    await vi.waitFor(() => expect(first.state()).toBe("lost"), { timeout: 10_000 });
    await delay(2000);
    await postgres.start();
    await vi.waitFor(() => expect(first.state()).toBe("held"), { timeout: 20_000 });
    await expect(claim(postgres.url)).rejects.toMatchObject({ code: "console.running" });
    const { db, close } = await openDatabase({ url: postgres.url, dataDir: null });
    closers.push(close);
    const { rows } = (await db.execute(
      sql`select count(*)::int as n from pg_stat_activity where application_name like 'supravisor console %'`,
    )) as unknown as { rows: unknown[] };
    expect(rows).toEqual([{ n: 1 }]);
    expect(taken).not.toHaveBeenCalled();
  });

  it("goes to the one that was faster, and the other hears of it", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const proxy = await startTestProxy(postgres.socket);
    closers.push(() => proxy.close());
    const taken = vi.fn();
    const first = await claim(proxy.url, taken);
    await proxy.become("refuse");
    const second = await vi.waitFor(() => claim(postgres.url), { timeout: 20_000 });
    await proxy.become("pass");
    await vi.waitFor(() => expect(first.state()).toBe("taken"), { timeout: 30_000 });
    expect(taken).toHaveBeenCalledTimes(1);
    expect(second.state()).toBe("held");
  });
});
