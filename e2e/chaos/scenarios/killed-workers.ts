import { setTimeout as sleep } from "node:timers/promises";
import { postgresPrograms } from "#lib/db/testing-postgres.ts";
import { type Asked, expectConsistent, expectDisks } from "../consistency.ts";
import { startPostgres } from "../postgres.ts";
import type { Scenario } from "../scenario.ts";
import { makeWorld } from "../world.ts";

const KINDS = ["worker", "console", "both"] as const;

/** A console and two workers on one Postgres; one of them, or two, die in the middle of four deploys. */
export const killedWorkers: Scenario = {
  name: "killed-workers",
  title: "kill -9 of workers and console, Postgres",
  longOnly: true,
  whyNot: () => (postgresPrograms === null ? "Postgres is not installed" : null),
  async run(run) {
    const postgres = await startPostgres(run);
    const world = await makeWorld(run, { databaseUrl: postgres.url, workers: 2 });
    const asked: Asked[] = [];
    for (let round = 0; round < 9; round += 1) {
      const kind = KINDS[round % KINDS.length];
      const mine: Asked[] = [];
      for (let each = 0; each < 4; each += 1) {
        const host = world.hosts[Math.floor(run.random() * world.hosts.length)];
        if (host === undefined) throw new Error("there are no simulated hosts");
        const big = run.random() < 0.6;
        const name = `w${round}-${each}`;
        const request = await world.deploy(big ? world.big : world.small, host, name);
        mine.push({ request, name, vendor: host.vendor, source: big ? run.images.big : run.images.small });
      }
      await sleep(300 + run.random() * 4000);
      const number = round % 2;
      if (kind !== "console") await world.workers()[number]?.end("SIGKILL");
      if (kind !== "worker") {
        await world.console().end("SIGKILL");
        await world.startConsole();
      }
      const began = Date.now();
      for (const each of mine) {
        const request = await world.ended(each.request.id, 180_000);
        run.expect(
          `${each.name} succeeds`,
          request.status === "succeeded",
          request.targets[0]?.error ?? request.status,
        );
        asked.push({ ...each, request });
      }
      run.figure(`${kind ?? ""} ${round}: all four ended after`, `${Date.now() - began} ms`);
      if (kind !== "console") world.startWorker(number);
    }
    expectDisks(run, world, asked);
    await expectConsistent(run, world);
  },
};
