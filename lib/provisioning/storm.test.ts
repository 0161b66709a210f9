/** A database that breaks connections, or is away, while short deploys change their stages: nobody's deploy ends of it. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hosts } from "#lib/db/schema.ts";
import { postgresPrograms, startTestPostgres, type TestPostgres } from "#lib/db/testing-postgres.ts";
import { testServices } from "#lib/db/testing.ts";
import { VENDORS } from "#lib/domain/hardware.ts";
import { repairRequests } from "./repair.ts";
import { deployBench, until, type Bench, type Outcome } from "./testing.ts";

const ROUNDS = 2;
const ROUND_MS = 3000;

describe.skipIf(postgresPrograms === null)("deploys on a database that fails under them", () => {
  let postgres: TestPostgres;
  let bench: Bench;
  /** Of the storm itself: not one of those that are cut. */
  let storm: pg.Pool;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    storm = new pg.Pool({ connectionString: postgres.url, max: 1, application_name: "storm" });
    storm.on("error", () => undefined);
    bench = await deployBench({ services: await testServices(postgres.url) });
  }, 120_000);
  afterAll(async () => {
    await bench.close();
    await storm.end();
    await postgres.close();
  }, 60_000);

  const cutAll = async () =>
    (
      await storm.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'supravisor%'",
      )
    ).rowCount ?? 0;

  const start = (names: readonly string[]) =>
    Promise.all(
      names.map(async (name, i) => bench.deploy(await bench.choice(VENDORS[i % VENDORS.length] ?? "kvm", name))),
    );

  /** Every record of one deploy says the same, and the host has one machine for it. */
  async function expectWhole(name: string, { request, target, job, ledger }: Outcome): Promise<void> {
    expect([name, job.state, target.status, request.status, job.error]).toEqual([
      name,
      "succeeded",
      "succeeded",
      "succeeded",
      null,
    ]);
    expect(target.receipt?.equal).toBe(true);
    expect(ledger.filter(({ state }) => state === "kept").map(({ kind }) => kind)).toEqual(["disk", "vm"]);
    expect(ledger.filter(({ state }) => state === "planned" || state === "made")).toEqual([]);
    const host = VENDORS.find((vendor) => bench.host(vendor).id === target.hostId);
    expect((await bench.vmNames(host ?? "kvm")).filter((each) => each === name)).toHaveLength(1);
  }

  it("succeed though connections are cut again and again while stages change", async () => {
    let cut = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const names = VENDORS.slice(0, 4).map((vendor) => `storm-${round}-${vendor}`);
      const requests = await start(names);
      const end = performance.now() + ROUND_MS;
      while (performance.now() < end) {
        cut += await cutAll();
        await delay(50 + Math.random() * 150);
      }
      const outcomes = await Promise.all(requests.map((request) => bench.ended(request)));
      for (const [i, outcome] of outcomes.entries()) await expectWhole(names[i] ?? "", outcome);
    }
    expect(cut).toBeGreaterThan(20);
    // Nothing was left for the repair to find.
    expect(await repairRequests(bench.services)).toBe(0);
    const rows = await bench.services.db.select().from(hosts);
    expect(rows.map(({ state, error }) => [state, error])).toEqual(rows.map(() => ["online", null]));
  }, 240_000);

  it("succeed though the database is away for longer than a lost job takes to be noticed", async () => {
    const name = `outage-${randomUUID().slice(0, 8)}`;
    const reached = Promise.withResolvers<void>();
    bench.interfere.set(name, {
      stage: async (id, state) => void (id === "transfer" && state === "running" && reached.resolve()),
    });
    const [request] = await start([name]);
    await reached.promise;
    await postgres.stop();
    await delay(12_000);
    await postgres.start();
    const outcome = await until("the end after the outage", async () =>
      bench.ended(request ?? { id: "" }).catch(() => null),
    );
    await expectWhole(name, outcome);
    expect(outcome.job.crashes).toBe(0);
  }, 240_000);
});
