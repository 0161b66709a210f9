/** A fresh console: who becomes its first administrator, and who may open its data folder beside it. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startConsole, type ConsoleUnderTest } from "#e2e/helpers/console.ts";
import { ask } from "../bench/ask.ts";
import { consoleEnvironment, type Bench } from "../bench/bench.ts";
import { behindProxies } from "../legitimate/behind-proxies.ts";

const root = join(import.meta.dirname, "..", "..", "..");

/** The one-time code that the console keeps in its data folder; null without one. */
function setupCode(target: ConsoleUnderTest): string | null {
  const path = join(target.dataDir, "setup-code");
  return existsSync(path) ? readFileSync(path, "utf8").trim() : null;
}

export async function firstVisit(bench: Bench): Promise<void> {
  const fresh = await startConsole({
    withAdmin: false,
    env: { ...consoleEnvironment(), SUPRAVISOR_TRUSTED_PROXIES: "127.0.0.0/8" },
  });
  try {
    const stranger = bench.tally.row("races", "first administrators without the code");
    const people: { email: string; password: string }[] = [];
    const body = (code: string | null) => {
      const person = { email: `${randomUUID()}@example.test`, name: "First", password: `first ${randomUUID()}` };
      people.push(person);
      return code === null ? person : { ...person, code };
    };
    const guesses = [null, "", "000000", "00000000-0000", "A".repeat(64), randomUUID()];
    for (const guess of guesses) {
      const answer = await ask(fresh.url, "POST", "/api/v1/setup", { from: bench.address(), body: body(guess) });
      stranger.check(answer.status >= 400 && answer.status < 500, `code ${JSON.stringify(guess)}: ${answer.status}`);
      if (answer.status === 201) break;
    }
    const code = setupCode(fresh);
    const race = bench.tally.row("races", "first administrators at once");
    const needed = await ask(fresh.url, "GET", "/api/v1/setup");
    if ((needed.json as { needed: boolean }).needed) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          ask(fresh.url, "POST", "/api/v1/setup", { from: bench.address(), body: body(code) }),
        ),
      );
      const made = answers.filter((answer) => answer.status === 201).length;
      race.check(
        made === 1,
        `10 at once: ${answers.map((answer) => `${answer.status} ${answer.code ?? ""}`).join(", ")}`,
      );
      const later = await ask(fresh.url, "POST", "/api/v1/setup", { from: bench.address(), body: body(code) });
      race.check(later.status >= 400, `an eleventh later: ${later.status}`);
    } else race.skip("a stranger was the first already");
    await behindProxies(bench, fresh.url, people);

    const second = bench.tally.row("races", "a second console on one data folder");
    const other = await startBeside(fresh.dataDir);
    second.check(
      other.code !== null && other.code !== 0 && /in use|data\.in-use/i.test(other.output),
      `it ended with ${other.code ?? "nothing"}: ${other.output.slice(-200)}`,
    );
    const still = await ask(fresh.url, "GET", "/api/v1/health");
    second.check(still.status === 200, `the first one answers ${still.status}`);
  } finally {
    await fresh.stop();
  }
}

/** Generous: what still runs after so long has not been refused. */
const START_MS = 240_000;

/** Another console on this data folder. Answers its exit code; null when it had to be ended. */
function startBeside(dataDir: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(join(root, "node_modules", "node", "bin", "node"), ["bin/supravisor.ts", "start"], {
    cwd: root,
    timeout: START_MS,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      ...consoleEnvironment(),
      PORT: "0",
      SUPRAVISOR_DATA_DIR: dataDir,
      NODE_ENV: "production",
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, output }));
    child.on("error", (error) => resolve({ code: null, output: error.message }));
  });
}
