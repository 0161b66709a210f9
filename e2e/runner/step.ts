/** One part of the proof: a command with its own counts. */
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface StepResult extends Counts {
  readonly name: string;
  readonly seconds: number;
  readonly notes: readonly string[];
}

export interface StepSpec {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly timeoutMinutes: number;
  /** Steps of one such name that follow each other run at the same time. */
  readonly together?: string;
  /** Begins only when the lab's big peers are there, or known not to be. */
  readonly needsLab?: boolean;
  /** Reads the tool's own report; without it the step counts as one check by its exit code. */
  readonly counts?: () => Counts & { notes: string[] };
}

export const outDir = join(import.meta.dirname, "..", ".out");
export const repoRoot = join(import.meta.dirname, "..", "..");

/** Steps in the order in which they run: each inner list at the same time. */
export function inGroups(steps: readonly StepSpec[]): StepSpec[][] {
  const groups: StepSpec[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (step.together !== undefined && last?.[0]?.together === step.together) last.push(step);
    else groups.push([step]);
  }
  return groups;
}

/** The first one's output is seen as it comes, the others' when they have ended. */
export function runGroup(steps: readonly StepSpec[]): Promise<StepResult[]> {
  return Promise.all(
    steps.map(async (step, i) => {
      if (i === 0) return runStep(step, (chunk) => process.stdout.write(chunk));
      const kept: Buffer[] = [];
      const result = await runStep(step, (chunk) => kept.push(chunk));
      process.stdout.write(Buffer.concat(kept));
      return result;
    }),
  );
}

/** Runs the command; its output is shown, and goes to .out/<name>.log. */
async function runStep(spec: StepSpec, show: (chunk: Buffer) => void): Promise<StepResult> {
  mkdirSync(outDir, { recursive: true });
  const started = Date.now();
  show(Buffer.from(`\n── ${spec.name}\n`));
  const log = createWriteStream(join(outDir, `${spec.name.replaceAll(" ", "-")}.log`));
  const [command, ...args] = spec.command;
  const child = spawn(command, args, { cwd: repoRoot, stdio: ["ignore", "pipe", "pipe"], detached: true });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      show(chunk);
      log.write(chunk);
    });
  }
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    // The whole group: test runners leave browsers and servers behind when only they are killed.
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, spec.timeoutMinutes * 60_000);
  const code = await new Promise<number>((resolve) => {
    child.on("error", () => resolve(127));
    child.on("close", (exit) => resolve(exit ?? 1));
  });
  clearTimeout(timer);
  log.end();
  const seconds = (Date.now() - started) / 1000;
  const notes = timedOut ? [`stopped after ${spec.timeoutMinutes} minutes`] : [];
  const own: Counts = code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
  if (spec.counts === undefined) return { name: spec.name, seconds, notes, ...own };
  try {
    const read = spec.counts();
    // A runner that died after its report, or before it, has failed whatever it counted.
    const failed = code !== 0 && read.failed === 0 ? 1 : read.failed;
    return {
      name: spec.name,
      seconds,
      notes: [...notes, ...read.notes],
      passed: read.passed,
      failed,
      skipped: read.skipped,
    };
  } catch (error) {
    return {
      name: spec.name,
      seconds,
      notes: [...notes, `no report: ${String(error)}`],
      passed: 0,
      failed: 1,
      skipped: 0,
    };
  }
}
