import { setTimeout as sleep } from "node:timers/promises";
import { type Asked, expectConsistent, expectDisks } from "../consistency.ts";
import type { Scenario } from "../scenario.ts";
import { doing, makeWorld } from "../world.ts";

/** kill -9 at random moments of deploys, sometimes again while it recovers, on the embedded database. */
export const killedConsole: Scenario = {
  name: "killed-console",
  title: "kill -9 of the console in mid-deploy, embedded database",
  async run(run) {
    const world = await makeWorld(run);
    const asked: Asked[] = [];
    const killedIn = new Map<string, number>();
    const back: number[] = [];
    const rounds = run.short ? 2 : 16;
    for (let round = 0; round < rounds; round += 1) {
      const mine: Asked[] = [];
      for (let each = 0; each < 2; each += 1) {
        const host = world.hosts[Math.floor(run.random() * world.hosts.length)];
        if (host === undefined) throw new Error("there are no simulated hosts");
        const big = run.random() < 0.7;
        const name = `k${round}-${each}`;
        const request = await world.deploy(big ? world.big : world.small, host, name);
        mine.push({ request, name, vendor: host.vendor, source: big ? run.images.big : run.images.small });
      }
      await sleep(run.random() * 4000);
      for (const { request } of mine) {
        const stage = doing(await world.request(request.id));
        killedIn.set(stage, (killedIn.get(stage) ?? 0) + 1);
      }
      await world.console().end("SIGKILL");
      if (run.random() < 0.25) {
        void world.startConsole().catch(() => undefined);
        await sleep(500 + run.random() * 3000);
        await world.console().end("SIGKILL");
        killedIn.set("start or recovery", (killedIn.get("start or recovery") ?? 0) + 1);
      }
      back.push(await world.startConsole());
      for (const each of mine) {
        const request = await world.ended(each.request.id);
        run.expect(
          `${each.name} succeeds`,
          request.status === "succeeded",
          request.targets[0]?.error ?? request.status,
        );
        asked.push({ ...each, request });
      }
    }
    run.figure("kills", rounds);
    run.figure("killed in", [...killedIn].map(([stage, count]) => `${stage} ${count}`).join(", "));
    run.figure("ready again after", `${Math.min(...back)}–${Math.max(...back)} ms`);
    expectDisks(run, world, asked);
    await expectConsistent(run, world);
  },
};
