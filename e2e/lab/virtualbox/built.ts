/** The chroot that holds the real VirtualBox: built once by whoever needs it first, kept in the lab's cache. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labCache } from "../cache.ts";

const BUILD_MS = 15 * 60_000;
/** Others of the same run need not try again. */
const REMEMBER_MS = 30 * 60_000;

const folder = () => labCache("virtualbox");
const failure = () => join(folder(), "failed");

/** Path of the chroot; only after `whyNoVirtualBox()` was null. */
export const virtualBoxRoot = (): string => join(folder(), "root");

function rememberedFailure(): string | null {
  if (!existsSync(failure())) return null;
  return Date.now() - statSync(failure()).mtimeMs < REMEMBER_MS ? readFileSync(failure(), "utf8") : null;
}

/** Why there can be no VirtualBox here, or null. Builds it on the first call on a machine: up to 4 minutes. */
export function whyNoVirtualBox(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") return "the VirtualBox lab needs Linux on x86-64";
  if (process.getuid?.() !== 0) return "the VirtualBox lab needs root";
  if (existsSync(virtualBoxRoot())) return null;
  for (const program of ["debootstrap", "unshare", "nsenter", "flock"]) {
    if (spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0) return `${program} is not installed`;
  }
  const before = rememberedFailure();
  if (before !== null) return before;
  const built = spawnSync(join(import.meta.dirname, "build.sh"), [folder()], {
    encoding: "utf8",
    timeout: BUILD_MS,
    killSignal: "SIGKILL",
    maxBuffer: 64 * 1024 ** 2,
  });
  if (built.status === 0) {
    rmSync(failure(), { force: true });
    return null;
  }
  const said = `${built.stdout}\n${built.stderr}`.trim().split("\n").at(-1);
  const why = `the VirtualBox lab could not be built: ${built.error?.message ?? said ?? "no word why"}`;
  writeFileSync(failure(), why);
  return why;
}
