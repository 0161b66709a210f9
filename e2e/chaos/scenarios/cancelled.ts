import { type Asked, expectConsistent, expectDisks } from "../consistency.ts";
import type { Scenario } from "../scenario.ts";
import { makeWorld } from "../world.ts";

const STAGES = ["waiting", "check", "create-disk", "transfer", "verify", "create-vm"] as const;

/** A deploy is cancelled, twice at once, in each of its stages. */
export const cancelled: Scenario = {
  name: "cancelled",
  title: "cancelled in each stage, twice at once",
  async run(run) {
    const world = await makeWorld(run);
    const asked: Asked[] = [];
    for (const [index, stage] of (run.short ? (["transfer", "verify"] as const) : [...STAGES, ...STAGES]).entries()) {
      const host = world.hosts[index % world.hosts.length];
      if (host === undefined) throw new Error("there are no simulated hosts");
      const name = `c${index}`;
      const { id } = await world.deploy(world.big, host, name);
      const seen = await world.inStage(id, stage);
      const began = Date.now();
      const path = `/requests/${id}/cancel`;
      const answers = await Promise.all([world.api.call("POST", path, {}), world.api.call("POST", path, {})]);
      const request = await world.ended(id);
      run.figure(`in ${seen}: ended after`, `${Date.now() - began} ms, ${request.status}`);
      run.expect(
        `${name} in ${seen}: ends as it was asked`,
        request.status === "cancelled" || request.status === "succeeded",
        { status: request.status, error: request.targets[0]?.error },
      );
      const statuses = answers.map((answer) => answer.status);
      run.expect(
        `${name}: both calls are answered`,
        statuses.every((status) => status === 200 || status === 409),
        statuses,
      );
      asked.push({ request, name, vendor: host.vendor, source: run.images.big });
    }
    expectDisks(run, world, asked);
    await expectConsistent(run, world);
  },
};
