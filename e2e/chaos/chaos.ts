/**
 * `npm run chaos`: breaks installations of its own on purpose and counts what was lost. `-- --short` is what `npm test`
 * runs; `-- --only storm,outage` runs some; `-- --seed 7` gives other moments.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeImages } from "./images.ts";
import { type Outcome, runScenario, type Scenario } from "./scenario.ts";
import { cancelled } from "./scenarios/cancelled.ts";
import { dyingMachine } from "./scenarios/dying-machine.ts";
import { hostAway } from "./scenarios/host-away.ts";
import { incompleteFolder } from "./scenarios/incomplete-folder.ts";
import { killedConsole } from "./scenarios/killed-console.ts";
import { killedWorkers } from "./scenarios/killed-workers.ts";
import { outage } from "./scenarios/outage.ts";
import { storm } from "./scenarios/storm.ts";
import { twoConsoles } from "./scenarios/two-consoles.ts";
import { writers } from "./scenarios/writers.ts";

const SCENARIOS: readonly Scenario[] = [
  killedConsole,
  killedWorkers,
  outage,
  storm,
  twoConsoles,
  incompleteFolder,
  hostAway,
  cancelled,
  dyingMachine,
  writers,
];

const { values } = parseArgs({
  options: { short: { type: "boolean", default: false }, only: { type: "string" }, seed: { type: "string" } },
});
const only = values.only?.split(",");
const unknown = (only ?? []).filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `No such scenario: ${unknown.join(", ")}. There are: ${SCENARIOS.map((s) => s.name).join(", ")}\n`,
  );
  process.exit(2);
}
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), "supravisor-chaos-images-"));
const images = makeImages(folder, values.short ? 96 : 192);
const outcomes: Outcome[] = [];
for (const scenario of SCENARIOS) {
  if (only === undefined ? values.short && scenario.longOnly === true : !only.includes(scenario.name)) continue;
  say(`${scenario.name}: ${scenario.title}`);
  const outcome = await runScenario(scenario, { short: values.short, seed: Number(values.seed ?? 7), images, say });
  outcomes.push(outcome);
  for (const [name, value] of outcome.figures) say(`  ${name}: ${value}`);
  const good = outcome.checks.filter((check) => check.ok).length;
  say(`  ${good} of ${outcome.checks.length} checks hold, ${outcome.seconds.toFixed(0)} s`);
  if (outcome.skipped !== null) say(`  skipped: ${outcome.skipped}`);
}
rmSync(folder, { recursive: true, force: true });

const checks = outcomes.flatMap((outcome) =>
  outcome.checks.map((check) => ({ scenario: outcome.scenario.name, ...check })),
);
const counts = {
  passed: checks.filter((check) => check.ok).length,
  failed: checks.filter((check) => !check.ok).length,
  skipped: outcomes.filter((outcome) => outcome.skipped !== null).length,
  notes: [
    ...checks.filter((check) => !check.ok).map((check) => `failed: ${check.scenario}: ${check.what} ${check.seen}`),
    ...outcomes.flatMap((o) => (o.skipped === null ? [] : [`skipped: ${o.scenario.name}: ${o.skipped}`])),
  ],
};
const out = join(import.meta.dirname, "..", ".out");
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "chaos.json"), JSON.stringify(counts));
say(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed === 0 ? 0 : 1);
