import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, startProgram } from "../processes.ts";
import type { Scenario } from "../scenario.ts";
import { makeWorld } from "../world.ts";

interface Damage {
  readonly name: string;
  /** Does it to the folder. */
  readonly strike: (dataDir: string) => void;
}

const DAMAGES: readonly Damage[] = [
  { name: "db/PG_VERSION is missing", strike: (dataDir) => rmSync(join(dataDir, "db", "PG_VERSION")) },
  { name: "db/ is missing beside a library", strike: (dataDir) => rmSync(join(dataDir, "db"), { recursive: true }) },
  {
    name: "db/ is an empty mount",
    strike: (dataDir) => {
      rmSync(join(dataDir, "db"), { recursive: true });
      mkdirSync(join(dataDir, "db"));
    },
  },
  { name: "pg_control is missing", strike: (dataDir) => rmSync(join(dataDir, "db", "global", "pg_control")) },
  {
    name: "auth.key is empty",
    strike: (dataDir) => {
      chmodSync(join(dataDir, "auth.key"), 0o600);
      writeFileSync(join(dataDir, "auth.key"), "");
    },
  },
  { name: "secret.key is missing", strike: (dataDir) => rmSync(join(dataDir, "secret.key")) },
];

/** Half a data folder is refused in words, and is as good as before once the other half is back. */
export const incompleteFolder: Scenario = {
  name: "incomplete-folder",
  title: "a data folder of which a part is missing",
  async run(run) {
    const world = await makeWorld(run);
    await world.console().end("SIGTERM");
    const whole = `${world.dataDir}.whole`;
    cpSync(world.dataDir, whole, { recursive: true, preserveTimestamps: true });
    for (const damage of run.short ? DAMAGES.slice(0, 3) : DAMAGES) {
      rmSync(world.dataDir, { recursive: true });
      cpSync(whole, world.dataDir, { recursive: true, preserveTimestamps: true });
      damage.strike(world.dataDir);
      const before = listing(world.dataDir);
      const program = startProgram({
        command: "start",
        dataDir: world.dataDir,
        log: `${world.dataDir}.${damage.name.replaceAll(/\W+/g, "-")}.log`,
        env: { PORT: String(await freePort()) },
      });
      const timer = setTimeout(() => void program.end("SIGKILL"), 60_000);
      const { code } = await program.gone;
      clearTimeout(timer);
      const output = program.output().slice(-1500);
      run.expect(`${damage.name}: refused`, code === 1, { code, output });
      run.expect(`${damage.name}: no advice to throw data away`, !/delete|remove the/i.test(output), output);
      // Its lock file is made before the database is looked at.
      const made = listing(world.dataDir).filter(
        (path) => !before.includes(path) && /(^|\/)db\//.test(path) && !path.endsWith("/postmaster.pid"),
      );
      run.expect(`${damage.name}: no new database`, made.length === 0, made.slice(0, 5));
    }
    rmSync(world.dataDir, { recursive: true });
    renameSync(whole, world.dataDir);
    await world.startConsole();
    const images = await world.api.ok<{ items: unknown[] }>("GET", "/images");
    run.expect("the whole folder is as it was", images.items.length === 2, images);
  },
};

function listing(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
}
