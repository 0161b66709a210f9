import { setTimeout as sleep } from "node:timers/promises";
import { postgresPrograms } from "#lib/db/testing-postgres.ts";
import { until } from "../../helpers/api.ts";
import { type Asked, expectConsistent, expectDisks } from "../consistency.ts";
import { startPostgres } from "../postgres.ts";
import type { Scenario } from "../scenario.ts";
import { isReady, makeWorld, type World } from "../world.ts";

/** Server-sent events of one kind that a reader gets within the time. */
async function countEvents(world: World, ms: number, provoke: () => Promise<void>): Promise<number> {
  const stop = AbortSignal.timeout(ms);
  const response = await fetch(`${world.url}/api/v1/events`, {
    headers: { authorization: `Bearer ${world.api.token}` },
    signal: stop,
  });
  let text = "";
  const reading = (async () => {
    if (response.body === null) return;
    const decoder = new TextDecoder();
    for await (const chunk of response.body) text += decoder.decode(chunk, { stream: true });
  })().catch(() => undefined);
  await sleep(500);
  await provoke();
  await reading;
  return text.split("\n").filter((line) => line.startsWith("data:") && line.includes('"settings"')).length;
}

/** Postgres is away for longer than any lease, in the middle of deploys, and comes back. */
export const outage: Scenario = {
  name: "outage",
  title: "Postgres away in mid-deploy",
  whyNot: () => (postgresPrograms === null ? "Postgres is not installed" : null),
  async run(run) {
    const postgres = await startPostgres(run);
    const world = await makeWorld(run, { databaseUrl: postgres.url, workers: 1 });
    const listening = await postgres.listeners();
    const weight = world.console().weight();
    const asked: Asked[] = [];
    for (const seconds of run.short ? [10] : [2, 10, 30, 60]) {
      const mine: Asked[] = [];
      for (const [index, host] of world.hosts.slice(0, 2).entries()) {
        const name = `o${seconds}-${index}`;
        const request = await world.deploy(world.big, host, name);
        mine.push({ request, name, vendor: host.vendor, source: run.images.big });
      }
      await Promise.all(mine.map(({ request }) => world.inStage(request.id, "transfer", "verify")));
      await postgres.stop();
      await sleep(seconds * 500);
      run.expect(`${seconds} s: not ready while the database is away`, !(await isReady(world.url)));
      await sleep(seconds * 500);
      await postgres.start();
      const began = Date.now();
      await until("readiness", () => isReady(world.url), Boolean, 60_000);
      run.figure(`${seconds} s away: ready again after`, `${Date.now() - began} ms`);
      for (const each of mine) {
        const request = await world.ended(each.request.id, 180_000);
        run.expect(
          `${each.name} succeeds`,
          request.status === "succeeded",
          request.targets[0]?.error ?? request.status,
        );
        asked.push({ ...each, request });
      }
      const now = await until(
        "one listener per process",
        () => postgres.listeners(),
        (n) => n === listening,
        40_000,
      ).catch(() => postgres.listeners());
      run.expect(`${seconds} s: as many listeners as before`, now === listening, { before: listening, now });
    }
    const after = world.console().weight();
    run.figure("open files", `${weight.files} → ${after.files}`);
    run.figure("resident", `${weight.mib} → ${after.mib} MiB`);
    run.expect("open files do not pile up", after.files < weight.files + 100, { before: weight, after });
    const events = await countEvents(world, 4000, async () => {
      await world.api.ok("PATCH", "/settings", { waiveApproval: false });
    });
    run.expect("an event is delivered once", events === 1, { events });
    expectDisks(run, world, asked);
    await expectConsistent(run, world);
  },
};
