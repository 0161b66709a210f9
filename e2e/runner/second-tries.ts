/** A reporter for vitest that names what passed at the second try only: no failure on a busy machine, but never a secret. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Reporter, TestCase } from "vitest/node";
import { outDir } from "./step.ts";

/** Of the last run of vitest: a JSON array of full names. */
export const secondTriesFile = join(outDir, "second-tries.json");

export default class SecondTries implements Reporter {
  readonly #names: string[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky === true) this.#names.push(test.fullName);
  }

  onTestRunEnd(): void {
    mkdirSync(outDir, { recursive: true });
    writeFileSync(secondTriesFile, JSON.stringify(this.#names));
  }
}
