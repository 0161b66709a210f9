import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Asked, expectConsistent, expectDisks } from "../consistency.ts";
import type { Scenario } from "../scenario.ts";
import { isEnded, makeWorld } from "../world.ts";

/** The console dies in mid-transfer, and when it is back the host is away for a while. */
export const hostAway: Scenario = {
  name: "host-away",
  title: "the host is away when a deploy is taken up again",
  async run(run) {
    const world = await makeWorld(run);
    const asked: Asked[] = [];
    for (let round = 0; round < (run.short ? 1 : 4); round += 1) {
      const host = world.hosts[round % world.hosts.length];
      if (host === undefined) throw new Error("there are no simulated hosts");
      const name = `h${round}`;
      const { id } = await world.deploy(world.big, host, name);
      await world.inStage(id, "transfer", "verify");
      await world.console().end("SIGKILL");
      const folder = join(world.dataDir, "demo", host.vendor);
      // A file in the place of the folder: nothing can be read from the host, nor made there.
      renameSync(folder, `${world.dataDir}.${host.vendor}`);
      writeFileSync(folder, "");
      await world.startConsole();
      await sleep(run.short ? 6000 : 15_000);
      const waiting = await world.request(id);
      run.expect(`${name}: the deploy waits for its host`, !isEnded(waiting), waiting.targets[0]?.error);
      rmSync(folder);
      renameSync(`${world.dataDir}.${host.vendor}`, folder);
      const began = Date.now();
      const request = await world.ended(id, 240_000);
      run.figure(`${name}: ended after the host's return`, `${Date.now() - began} ms`);
      run.expect(`${name} succeeds`, request.status === "succeeded", request.targets[0]?.error ?? request.status);
      asked.push({ request, name, vendor: host.vendor, source: run.images.big });
    }
    expectDisks(run, world, asked);
    await expectConsistent(run, world);
  },
};
