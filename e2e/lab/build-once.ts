/** Runs the script that builds a big peer into a folder of the lab's cache, once for all who need it. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BUILD_MS = 15 * 60_000;
/** Others of the same run need not try again. */
const REMEMBER_MS = 30 * 60_000;

export interface Build {
  /** `VirtualBox`, for the reason. */
  readonly name: string;
  readonly folder: string;
  /** What the script makes in the folder, whole or not at all. */
  readonly product: string;
  readonly script: string;
  readonly programs: readonly string[];
}

/** Why it cannot be had here, or null. The first call on a machine takes as long as the script. */
export function whyNotBuilt({ name, folder, product, script, programs }: Build): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") return `the ${name} lab needs Linux on x86-64`;
  if (process.getuid?.() !== 0) return `the ${name} lab needs root`;
  for (const program of programs) {
    if (spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0) return `${program} is not installed`;
  }
  if (existsSync(join(folder, product))) return null;
  const failure = join(folder, "failed");
  if (existsSync(failure) && Date.now() - statSync(failure).mtimeMs < REMEMBER_MS) return readFileSync(failure, "utf8");
  const built = spawnSync(script, [folder], {
    encoding: "utf8",
    timeout: BUILD_MS,
    killSignal: "SIGKILL",
    maxBuffer: 64 * 1024 ** 2,
  });
  if (built.status === 0) {
    rmSync(failure, { force: true });
    return null;
  }
  const said = `${built.stdout}\n${built.stderr}`.trim().split("\n").at(-1);
  const why = `the ${name} lab could not be built: ${built.error?.message ?? said ?? "no word why"}`;
  writeFileSync(failure, why);
  return why;
}
