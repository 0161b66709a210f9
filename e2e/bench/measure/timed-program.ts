/** One run of a program: wall time and the processor time of it and its threads. */
import { spawnSync } from "node:child_process";

export interface Run {
  /** ms of wall time. */
  readonly wall: number;
  /** ms of user and system time. */
  readonly cpu: number;
}

/** Throws with the program's words when it fails. bash's `time` is the only one that is everywhere. */
export function timeProgram(program: string, args: readonly string[]): Run {
  const done = spawnSync("bash", ["-c", 'TIMEFORMAT="%3R %3U %3S"; time "$0" "$@"', program, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines = done.stderr.trim().split("\n");
  const [wall, user, system] = (lines.pop() ?? "").split(" ").map(Number);
  if (done.status !== 0 || wall === undefined || user === undefined || system === undefined) {
    throw new Error(`${program} ${args.join(" ")}: ${done.stderr}`);
  }
  return { wall: wall * 1000, cpu: (user + system) * 1000 };
}

/** The same of work in this process, all its threads counted. */
export async function timeWork(work: () => Promise<void>): Promise<Run> {
  const before = process.cpuUsage();
  const started = performance.now();
  await work();
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return { wall, cpu: (user + system) / 1000 };
}
