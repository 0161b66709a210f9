import { setTimeout as sleep } from "node:timers/promises";
import { expectConsistent } from "../consistency.ts";
import type { Scenario } from "../scenario.ts";
import { isEnded, makeWorld } from "../world.ts";

/** A machine that dies every few seconds while one deploy runs: it may be given up, but nobody has cancelled it. */
export const dyingMachine: Scenario = {
  name: "dying-machine",
  title: "the machine dies again and again in one deploy",
  longOnly: true,
  async run(run) {
    const world = await makeWorld(run);
    const host = world.hosts[0];
    if (host === undefined) throw new Error("there are no simulated hosts");
    const { id } = await world.deploy(world.big, host, "flap");
    let deaths = 0;
    while (deaths < 6) {
      await world.inStage(id, "transfer");
      if (isEnded(await world.request(id))) break;
      await sleep(200);
      await world.console().end("SIGKILL");
      deaths += 1;
      await world.startConsole();
    }
    const ended = await world.ended(id);
    const code = ended.targets[0]?.error?.code;
    run.figure("deaths", deaths);
    run.figure("ended", `${ended.status} ${code ?? ""}`);
    run.expect("it is not called cancelled", ended.status !== "cancelled", ended);
    run.expect("it says why", ended.status === "succeeded" || code === "job.gave-up", ended.targets[0]?.error);
    await expectConsistent(run, world);
  },
};
