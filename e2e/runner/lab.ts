/** Peers that take minutes to build, made before the tests that need them, in a process of its own. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { repoRoot } from "./step.ts";

/** Ends when every peer is built or known not to be had; why not is said by the tests that are then skipped. */
export function prepareLab(): Promise<void> {
  const script = join(repoRoot, "e2e", "lab", "prepare.ts");
  const child = spawn(process.execPath, [script], { cwd: repoRoot, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve) => {
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  });
}
