import { setTimeout as sleep } from "node:timers/promises";
import { postgresPrograms } from "#lib/db/testing-postgres.ts";
import { type Asked, expectConsistent, expectDisks } from "../consistency.ts";
import { startPostgres } from "../postgres.ts";
import type { Scenario } from "../scenario.ts";
import { makeWorld, type RequestAnswer } from "../world.ts";

/** Every database connection is cut again and again while short deploys change their stages. */
export const storm: Scenario = {
  name: "storm",
  title: "database connections cut during stage changes",
  whyNot: () => (postgresPrograms === null ? "Postgres is not installed" : null),
  async run(run) {
    const postgres = await startPostgres(run);
    const world = await makeWorld(run, { databaseUrl: postgres.url, workers: 1 });
    const deploys = run.short ? 6 : 24;
    const asked: Asked[] = [];
    let cuts = 0;
    for (let at = 0; at < deploys; at += 6) {
      const mine: Asked[] = [];
      for (let each = at; each < Math.min(deploys, at + 6); each += 1) {
        const host = world.hosts[each % world.hosts.length];
        if (host === undefined) throw new Error("there are no simulated hosts");
        const name = `s${each}`;
        const request = await world.deploy(world.small, host, name);
        mine.push({ request, name, vendor: host.vendor, source: run.images.small });
      }
      const end = Date.now() + (run.short ? 6000 : 10_000);
      while (Date.now() < end) {
        cuts += await postgres.terminateAll();
        await sleep(50 + run.random() * 200);
      }
      for (const each of mine) {
        const request: RequestAnswer = await world.ended(each.request.id, 180_000);
        run.expect(
          `${each.name} succeeds`,
          request.status === "succeeded",
          request.targets[0]?.error ?? request.status,
        );
        asked.push({ ...each, request });
      }
    }
    run.figure("connections cut", cuts);
    expectDisks(run, world, asked);
    await expectConsistent(run, world);
  },
};
