/** Ctrl-C in a terminal reaches the launcher and the program behind it at once. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

it("a conversion that is interrupted leaves nothing behind", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "supravisor-interrupt-"));
  try {
    writeFileSync(join(folder, "in.raw"), "");
    truncateSync(join(folder, "in.raw"), 2 ** 20);
    // A pipe that nobody ends: the conversion waits in its middle.
    const child = spawn(
      process.execPath,
      [
        join(import.meta.dirname, "..", "supravisor.mjs"),
        "convert",
        "-",
        "out.qcow2",
        "--from",
        "raw",
        "--to",
        "qcow2",
      ],
      { cwd: folder, detached: true, stdio: ["pipe", "ignore", "pipe"] },
    );
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.stdin.write(Buffer.alloc(70_000, 7));
    // It says that it keeps the disk meanwhile: then it is under way.
    await new Promise((resolve) => child.stderr.once("data", resolve));
    // The whole group, as a terminal does.
    process.kill(-(child.pid ?? 0), "SIGINT");
    expect(await ended).toBe(1);
    expect(existsSync(join(folder, "out.qcow2"))).toBe(false);
    expect(readdirSync(folder)).toEqual(["in.raw"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
