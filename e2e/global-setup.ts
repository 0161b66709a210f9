/** The pages are built once for all browser tests, by the same step that `npm start` uses. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

export default function prepare(): void {
  const root = join(import.meta.dirname, "..");
  execFileSync(process.execPath, [join(root, "bin", "prepare.mjs"), "start"], { cwd: root, stdio: "inherit" });
}
