import { setTimeout as sleep } from "node:timers/promises";
import { expectConsistent } from "../consistency.ts";
import type { Scenario } from "../scenario.ts";
import { makeWorld } from "../world.ts";

/** kill -9 under three writers: what was acknowledged is there afterwards. */
export const writers: Scenario = {
  name: "writers",
  title: "acknowledged writes survive kill -9, embedded database",
  async run(run) {
    const world = await makeWorld(run);
    const acknowledged = new Set<string>();
    const kills = run.short ? 2 : 12;
    for (let kill = 0; kill < kills; kill += 1) {
      const stop = new AbortController();
      const write = async (writer: number): Promise<void> => {
        for (let count = 0; !stop.signal.aborted; count += 1) {
          const name = `t-${kill}-${writer}-${count}`;
          const body = { email: `${name}@example.test`, name, role: "auditor", password: `${name} horse battery` };
          const answer = await fetch(`${world.url}/api/v1/users`, {
            method: "POST",
            headers: { authorization: `Bearer ${world.api.token}`, "content-type": "application/json" },
            body: JSON.stringify(body),
            signal: stop.signal,
          }).catch(() => null);
          if (answer?.status === 201) acknowledged.add(body.email);
        }
      };
      const writing = [0, 1, 2].map(write);
      await sleep(1500 + run.random() * 2000);
      await world.console().end("SIGKILL");
      stop.abort();
      await Promise.all(writing);
      await world.startConsole();
    }
    const { items } = await world.api.ok<{ items: { email: string }[] }>("GET", "/users");
    const there = new Set(items.map((user) => user.email));
    const lost = [...acknowledged].filter((email) => !there.has(email));
    run.figure("acknowledged writes", acknowledged.size);
    run.figure("kills", kills);
    run.expect("something was written", acknowledged.size > 0);
    run.expect("no acknowledged write is lost", lost.length === 0, lost);
    await expectConsistent(run, world);
  },
};
