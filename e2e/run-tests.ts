/**
 * `npm test`: the whole proof in one run, one summary at the end.
 * `npm test -- vitest lint` runs the named steps only.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { prepareLab } from "./runner/lab.ts";
import { markRun } from "./runner/left-behind.ts";
import { installPackages } from "./runner/packages.ts";
import { attackCounts, chaosCounts, playwrightCounts, vitestCounts } from "./runner/reports.ts";
import { inGroups, outDir, runGroup, type StepResult, type StepSpec } from "./runner/step.ts";

const SECOND_TRIES = "./e2e/runner/second-tries.ts";
const XEN_HOST = "lib/hypervisor/xen/host.lab.test.ts";

const STEPS: readonly StepSpec[] = [
  { name: "format", command: ["biome", "format", "."], timeoutMinutes: 2 },
  { name: "types", command: ["tsc", "--noEmit"], timeoutMinutes: 5, together: "sources" },
  { name: "lint", command: ["eslint", ".", "--max-warnings", "0"], timeoutMinutes: 8, together: "sources" },
  {
    name: "fences",
    command: ["depcruise", "lib", "app", "components", "bin", "--config", ".dependency-cruiser.cjs"],
    timeoutMinutes: 3,
  },
  { name: "dead code", command: ["knip"], timeoutMinutes: 3 },
  {
    name: "vitest",
    command: [
      "vitest",
      "run",
      "--reporter=default",
      "--reporter=json",
      `--reporter=${SECOND_TRIES}`,
      `--outputFile.json=${join(outDir, "vitest.json")}`,
      `--exclude=${XEN_HOST}`,
      "--retry=1",
    ],
    timeoutMinutes: 45,
    needsLab: true,
    counts: () => vitestCounts("vitest.json"),
  },
  {
    name: "browser",
    command: ["playwright", "test", "--config", "e2e/playwright.config.ts"],
    timeoutMinutes: 20,
    counts: playwrightCounts,
  },
  {
    name: "attack",
    command: ["node", "e2e/attack/attack.ts", "--short"],
    timeoutMinutes: 15,
    // Neither judges a time: both wait more than they work.
    together: "hostile",
    counts: attackCounts,
  },
  {
    name: "chaos",
    command: ["node", "e2e/chaos/chaos.ts", "--short"],
    timeoutMinutes: 20,
    together: "hostile",
    counts: chaosCounts,
  },
  {
    // Alone: an emulated processor that has to share misses the limits that Xen's own tools set. Once more, for the same reason.
    name: "real xen",
    command: [
      "vitest",
      "run",
      XEN_HOST,
      "--retry=1",
      "--reporter=default",
      "--reporter=json",
      `--reporter=${SECOND_TRIES}`,
      `--outputFile.json=${join(outDir, "xen.json")}`,
    ],
    timeoutMinutes: 15,
    needsLab: true,
    counts: () => vitestCounts("xen.json"),
  },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !STEPS.some((step) => step.name.replace(" ", "-") === name));
if (unknown.length > 0) {
  process.stderr.write(
    `No such step: ${unknown.join(", ")}. Steps: ${STEPS.map((s) => s.name.replace(" ", "-")).join(", ")}\n`,
  );
  process.exit(2);
}
rmSync(outDir, { recursive: true, force: true });
const missing = installPackages();
// After the packages: a service that Debian starts for one of them is meant to stay.
const run = markRun();
const chosen = STEPS.filter((step) => wanted.length === 0 || wanted.includes(step.name.replace(" ", "-")));
// Big peers are built while the steps that need none of them run.
const lab = chosen.some((step) => step.needsLab === true) ? prepareLab() : null;
const results: StepResult[] = [];
for (const group of inGroups(chosen)) {
  if (group.some((step) => step.needsLab === true)) await lab;
  results.push(...(await runGroup(group)));
}
results.push(await run.check());

const sum = (field: "passed" | "failed" | "skipped") => results.reduce((total, result) => total + result[field], 0);
process.stdout.write("\n── summary\n");
for (const result of results) {
  process.stdout.write(
    `${result.failed === 0 ? "ok    " : "FAILED"} ${result.name.padEnd(10)} ${result.seconds.toFixed(0).padStart(4)} s  ` +
      `${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped\n`,
  );
  for (const note of result.notes.slice(0, 40)) process.stdout.write(`         ${note}\n`);
}
if (missing.length > 0) process.stdout.write(`Debian packages that could not be installed: ${missing.join(", ")}\n`);
process.stdout.write(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped\n`);
process.exit(sum("failed") === 0 ? 0 : 1);
