/** One kind of bad luck: what it breaks, what it counts, and what must be true afterwards. */
import type { Images } from "./images.ts";

export interface Check {
  readonly what: string;
  readonly ok: boolean;
  /** What was seen, for whoever reads a failure. */
  readonly seen: string;
}

export interface Run {
  /** The short form is what `npm test` runs: fewer rounds, shorter outages, the same checks. */
  readonly short: boolean;
  readonly images: Images;
  /** From 0 to 1; the same sequence for the same `--seed`. */
  random(): number;
  /** Counts as one check. */
  expect(what: string, ok: boolean, seen?: unknown): void;
  /** A measured figure for the table; never judged. */
  figure(name: string, value: string | number): void;
  say(line: string): void;
  /** Runs when the scenario ends, however it ends; last added, first run. */
  cleanUp(work: () => Promise<void> | void): void;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Left out of the short form. */
  readonly longOnly?: boolean;
  /** Why it cannot run on this machine; null when it can. */
  whyNot?(): string | null;
  run(run: Run): Promise<void>;
}

export interface Outcome {
  readonly scenario: Scenario;
  readonly seconds: number;
  readonly checks: readonly Check[];
  readonly figures: readonly (readonly [string, string])[];
  readonly skipped: string | null;
}

export interface RunOptions {
  readonly short: boolean;
  readonly seed: number;
  readonly images: Images;
  readonly say: (line: string) => void;
}

/** Never throws: what goes wrong is a failed check. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Outcome> {
  const started = Date.now();
  const checks: Check[] = [];
  const figures: (readonly [string, string])[] = [];
  const closers: (() => Promise<void> | void)[] = [];
  const skipped = scenario.whyNot?.() ?? null;
  const done = (): Outcome => ({ scenario, seconds: (Date.now() - started) / 1000, checks, figures, skipped });
  if (skipped !== null) return done();
  let state = options.seed;
  const note = (what: string, ok: boolean, seen?: unknown): void => {
    checks.push({ what, ok, seen: seen === undefined ? "" : (JSON.stringify(seen)?.slice(0, 1500) ?? "") });
    if (!ok) options.say(`  FAILED ${what}: ${checks.at(-1)?.seen ?? ""}`);
  };
  try {
    await scenario.run({
      ...options,
      random() {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return state / 2_147_483_648;
      },
      expect: note,
      figure: (name, value) => figures.push([name, String(value)]),
      cleanUp: (work) => closers.push(work),
    });
  } catch (error) {
    note("runs to its end", false, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  for (const close of closers.reverse()) {
    try {
      await close();
    } catch (error) {
      note("ends cleanly", false, String(error));
    }
  }
  return done();
}
