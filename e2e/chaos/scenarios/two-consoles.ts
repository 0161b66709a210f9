import { join } from "node:path";
import { postgresPrograms } from "#lib/db/testing-postgres.ts";
import { startPostgres } from "../postgres.ts";
import { freePort, startProgram } from "../processes.ts";
import type { Scenario } from "../scenario.ts";
import { makeWorld } from "../world.ts";

/** A second console on the same database goes away with a word, and the first one does not notice it. */
export const twoConsoles: Scenario = {
  name: "two-consoles",
  title: "a second console on one Postgres",
  whyNot: () => (postgresPrograms === null ? "Postgres is not installed" : null),
  async run(run) {
    const postgres = await startPostgres(run);
    const world = await makeWorld(run, { databaseUrl: postgres.url });
    const second = async (dataDir: string, name: string) => {
      const program = startProgram({
        command: "start",
        dataDir,
        log: join(world.dataDir, "..", `${name}.log`),
        env: { PORT: String(await freePort()), DATABASE_URL: postgres.url },
      });
      run.cleanUp(async () => void (await program.end("SIGKILL")));
      const timer = setTimeout(() => void program.end("SIGKILL"), 60_000);
      const ended = await program.gone;
      clearTimeout(timer);
      return { ...ended, output: program.output().slice(-1500) };
    };
    const other = await second(join(world.dataDir, "..", "other"), "second");
    run.expect("a console with another folder is refused", other.code === 1, other);
    run.expect("no stack trace is printed", !/\n\s+at /.test(other.output), other.output);
    const hosts = await world.api.ok<{ items: { state: string }[] }>("GET", "/hosts");
    run.expect(
      "the first console's hosts stay online",
      hosts.items.every((host) => host.state === "online"),
      hosts,
    );
    // The key of the folder that was refused must not have become the installation's.
    const worker = world.startWorker();
    const host = world.hosts[0];
    if (host === undefined) throw new Error("there are no simulated hosts");
    const request = await world.deploy(world.small, host, "after-the-second");
    const ended = await world.ended(request.id);
    run.expect("deploys go on", ended.status === "succeeded", ended.targets[0]?.error);
    run.expect("a worker still joins", !worker.isGone(), worker.output().slice(-1500));
    await worker.end("SIGTERM");
    await world.console().end("SIGKILL");
    await world.startConsole();
    run.expect("the same console comes back after kill -9", true);
  },
};
