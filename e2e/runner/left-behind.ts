/**
 * Processes that outlive the run that started them, daemons included. Every child of the run inherits a mark in its
 * environment; on Linux /proc tells which processes still carry it.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { StepResult } from "./step.ts";

const MARK = "SUPRAVISOR_TEST_RUN";
/** A server that was asked to stop when its test ended gets this long to be gone. */
const GRACE_MS = 10_000;

export interface MarkedRun {
  /** One check of its own in the summary: passed when nothing of this run is left. */
  check(): Promise<StepResult>;
}

/** Marks this process and all that it starts from now on. */
export function markRun(): MarkedRun {
  const mark = randomUUID();
  process.env[MARK] = mark;
  return {
    async check() {
      const started = Date.now();
      if (!existsSync("/proc/self/environ"))
        return {
          name: "processes",
          seconds: 0,
          notes: ["skipped: this system has no /proc"],
          passed: 0,
          failed: 0,
          skipped: 1,
        };
      let left = marked(mark);
      while (left.length > 0 && Date.now() - started < GRACE_MS) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        left = marked(mark);
      }
      return {
        name: "processes",
        seconds: (Date.now() - started) / 1000,
        notes: left.map((line) => `left behind: ${line}`),
        passed: left.length === 0 ? 1 : 0,
        failed: left.length === 0 ? 0 : 1,
        skipped: 0,
      };
    },
  };
}

function marked(mark: string): string[] {
  const found: string[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(`${MARK}=${mark}`)) continue;
      // A zombie has an empty environment, so what stands here is alive.
      found.push(`${name} ${readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").slice(0, 200)}`);
    } catch {
      // It ended while we looked, or belongs to somebody else.
    }
  }
  return found;
}
