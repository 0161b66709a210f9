/** The disk of the Xen host: built once by whoever needs it first, kept in the lab's cache. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labCache } from "../cache.ts";

const BUILD_MS = 15 * 60_000;
/** Others of the same run need not try again. */
const REMEMBER_MS = 30 * 60_000;
const SCRIPT = join(import.meta.dirname, "build.sh");

/** One folder a version of the script: what an older one made is not taken for its. */
export const xenFolder = (): string =>
  labCache(`xen-4.17-${createHash("sha256").update(readFileSync(SCRIPT)).digest("hex").slice(0, 8)}`);
const failure = () => join(xenFolder(), "failed");

function rememberedFailure(): string | null {
  if (!existsSync(failure())) return null;
  return Date.now() - statSync(failure()).mtimeMs < REMEMBER_MS ? readFileSync(failure(), "utf8") : null;
}

/** Why there can be no Xen host here, or null. Builds its disk on the first call on a machine: a minute or two. */
export function whyNoXenHost(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") return "the Xen lab needs Linux on x86-64";
  if (process.getuid?.() !== 0) return "the Xen lab needs root";
  for (const program of ["qemu-system-x86_64", "ssh", "unshare", "flock", "debootstrap", "mke2fs"]) {
    if (spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0) return `${program} is not installed`;
  }
  if (existsSync(join(xenFolder(), "host"))) return null;
  const before = rememberedFailure();
  if (before !== null) return before;
  const built = spawnSync(SCRIPT, [xenFolder()], {
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
  const why = `the Xen lab could not be built: ${built.error?.message ?? said ?? "no word why"}`;
  writeFileSync(failure(), why);
  return why;
}
