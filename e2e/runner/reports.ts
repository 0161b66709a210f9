/** Counts out of the reports of vitest and Playwright. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { secondTriesFile } from "./second-tries.ts";
import { outDir, type Counts } from "./step.ts";

const VitestReport = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).default([]) }),
      ),
    }),
  ),
});

export function vitestCounts(file: string): Counts & { notes: string[] } {
  const report = VitestReport.parse(JSON.parse(readFileSync(join(outDir, file), "utf8")));
  const counts = { passed: 0, failed: 0, skipped: 0, notes: [] as string[] };
  for (const suite of report.testResults) {
    // A file that could not even be loaded has no assertions and must not count as nothing.
    if (suite.status === "failed" && suite.assertionResults.every((test) => test.status !== "failed")) {
      counts.failed += 1;
      counts.notes.push(`failed to load: ${suite.name} ${suite.message ?? ""}`);
    }
    for (const test of suite.assertionResults) {
      if (test.status === "passed") counts.passed += 1;
      else if (test.status === "failed") {
        counts.failed += 1;
        counts.notes.push(`failed: ${test.fullName}: ${firstLine(test.failureMessages[0])}`);
      } else {
        counts.skipped += 1;
        counts.notes.push(`skipped: ${test.fullName}`);
      }
    }
  }
  counts.notes.push(...secondTries());
  return counts;
}

function secondTries(): string[] {
  if (!existsSync(secondTriesFile)) return [];
  return z
    .array(z.string())
    .parse(JSON.parse(readFileSync(secondTriesFile, "utf8")))
    .map((name) => `passed at the second try: ${name}`);
}

/** Colours of the terminal do not belong in a summary. */
const firstLine = (text: string | undefined): string =>
  stripVTControlCharacters(text ?? "")
    .split("\n")[0]
    ?.slice(0, 300) ?? "";

const PlaywrightTest = z.object({
  status: z.string(),
  results: z.array(z.object({ error: z.object({ message: z.string().optional() }).optional() })),
});
const PlaywrightSuite = z.object({
  specs: z.array(z.object({ title: z.string(), file: z.string(), tests: z.array(PlaywrightTest) })).default([]),
  get suites() {
    return z.array(PlaywrightSuite).default([]);
  },
});
const PlaywrightReport = z.object({
  suites: z.array(PlaywrightSuite),
  stats: z.object({ expected: z.number(), unexpected: z.number(), flaky: z.number(), skipped: z.number() }),
  errors: z.array(z.object({ message: z.string().optional() })).default([]),
});

export function playwrightCounts(): Counts & { notes: string[] } {
  const { suites, stats, errors } = PlaywrightReport.parse(
    JSON.parse(readFileSync(join(outDir, "playwright.json"), "utf8")),
  );
  return {
    passed: stats.expected + stats.flaky,
    failed: stats.unexpected + errors.length,
    skipped: stats.skipped,
    notes: [...suites.flatMap(troubles), ...errors.map((error) => `failed: ${error.message ?? "unknown"}`)],
  };
}

function troubles({ specs, suites }: z.infer<typeof PlaywrightSuite>): string[] {
  const own = specs.flatMap(({ title, file, tests }) =>
    tests
      .filter(({ status }) => status === "unexpected" || status === "flaky")
      .map(({ status, results }) => {
        const message = results.map(({ error }) => error?.message).find((text) => text !== undefined);
        const outcome = status === "flaky" ? "passed at the second try" : "failed";
        return `${outcome}: ${file}: ${title}: ${firstLine(message)}`;
      }),
  );
  return [...own, ...suites.flatMap(troubles)];
}

const AttackReport = z.object({
  passed: z.number(),
  failed: z.number(),
  skipped: z.number(),
  rows: z.array(
    z.object({ room: z.string(), name: z.string(), through: z.array(z.string()), skipped: z.array(z.string()) }),
  ),
});

export function attackCounts(): Counts & { notes: string[] } {
  const { rows, ...counts } = AttackReport.parse(JSON.parse(readFileSync(join(outDir, "attack.json"), "utf8")));
  const notes = rows.flatMap(({ room, name, through, skipped }) => [
    ...through.map((what) => `failed: ${room}: ${name}: ${what}`),
    ...skipped.map((why) => `skipped: ${room}: ${name}: ${why}`),
  ]);
  return { ...counts, notes };
}

const ChaosReport = z.object({
  passed: z.number(),
  failed: z.number(),
  skipped: z.number(),
  notes: z.array(z.string()),
});

export function chaosCounts(): Counts & { notes: string[] } {
  return ChaosReport.parse(JSON.parse(readFileSync(join(outDir, "chaos.json"), "utf8")));
}
