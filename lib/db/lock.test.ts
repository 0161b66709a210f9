import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDataDir } from "./lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "supravisor-lock-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the lock of a data folder", () => {
  it("is one process's, under every name of the folder, and says whose", async () => {
    const lock = await lockDataDir(folder);
    await lock.announce("http://console.example.test:3000");
    const alias = `${folder}-alias`;
    await symlink(folder, alias);
    try {
      for (const name of [folder, alias]) {
        await expect(lockDataDir(name)).rejects.toMatchObject({
          code: "data.in-use",
          message: expect.stringMatching(
            new RegExp(`process ${process.pid} on .+, at http://console\\.example\\.test:3000, since \\d{4}-`),
          ),
        });
      }
    } finally {
      await rm(alias);
      await lock.release();
    }
    await (await lockDataDir(folder)).release();
  });

  it("ends with a process that is killed", async () => {
    const child = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `const { lockDataDir } = await import(${JSON.stringify(join(import.meta.dirname, "lock.ts"))});
         await lockDataDir(${JSON.stringify(folder)});
         process.stdout.write("held");
         setInterval(() => undefined, 1000);`,
      ],
      { stdio: ["ignore", "pipe", "inherit"], cwd: join(import.meta.dirname, "..", "..") },
    );
    await once(child.stdout, "data");
    await expect(lockDataDir(folder)).rejects.toMatchObject({ code: "data.in-use" });
    child.kill("SIGKILL");
    await once(child, "exit");
    await (await lockDataDir(folder)).release();
  });
});
