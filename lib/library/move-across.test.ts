/** From one file system to another, with the power cut in thought at every step. */
import type * as Fs from "node:fs/promises";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

/** Steps as they are done; the one that `fails` says throws. */
const disk = vi.hoisted(() => ({ steps: [] as string[], fails: null as string | null, code: "EIO" }));
vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof Fs>();
  const step = (what: string) => {
    if (disk.fails === what) throw Object.assign(new Error(`${disk.code}: thought out`), { code: disk.code });
    disk.steps.push(what);
  };
  const short = (path: unknown) => String(path).replace(/^.*\/(?=[^/]*$)/, "");
  return {
    ...fs,
    copyFile: async (from: string, to: string, how?: number) => {
      await fs.copyFile(from, to, how);
      step(`copy ${short(to)}`);
    },
    rename: async (from: string, to: string) => {
      if (short(from) === "source") throw Object.assign(new Error("EXDEV"), { code: "EXDEV" });
      step(`rename ${short(from)} ${short(to)}`);
      return fs.rename(from, to);
    },
    unlink: async (path: string) => {
      step(`unlink ${short(path)}`);
      return fs.unlink(path);
    },
    open: async (path: string, ...rest: never[]) => {
      const handle = await fs.open(path, ...rest);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => {
        step(`sync ${short(path)}`);
        return sync();
      };
      return handle;
    },
  };
});
const { moveAcross } = await import("./move-across.ts");

let work: string;
let source: string;
let target: string;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), "move-across-"));
  source = join(work, "source");
  await mkdir(join(work, "version"));
  target = join(work, "version", "disk.img");
  await writeFile(source, "all bytes", { mode: 0o644 });
  Object.assign(disk, { steps: [], fails: null, code: "EIO" });
});
afterEach(() => rm(work, { recursive: true }));

it("the bytes are on the medium before they have their name, and the name before the source goes", async () => {
  await moveAcross(source, target);
  expect(disk.steps).toEqual([
    "copy .disk.img.part",
    "sync .disk.img.part",
    "rename .disk.img.part disk.img",
    "sync version",
    "unlink source",
  ]);
  expect(await readFile(target, "utf8")).toBe("all bytes");
  expect((await stat(target)).mode & 0o777).toBe(0o600);
  expect(await readdir(work)).toEqual(["version"]);
});

it.each(["copy .disk.img.part", "sync .disk.img.part", "rename .disk.img.part disk.img", "sync version"])(
  "%s fails: the source is there, and the next attempt brings it",
  async (fails) => {
    disk.fails = fails;
    await expect(moveAcross(source, target)).rejects.toMatchObject({ code: "io.failed" });
    expect(await readFile(source, "utf8")).toBe("all bytes");
    expect(disk.steps).not.toContain("unlink source");
    // No half of a file has a name that anybody would read.
    for (const name of await readdir(join(work, "version"))) {
      expect(name).toBe("disk.img");
      expect(await readFile(target, "utf8")).toBe("all bytes");
    }
    disk.fails = null;
    await moveAcross(source, target);
    expect(await readFile(target, "utf8")).toBe("all bytes");
  },
);

it("a full disk is said in words, and the upload is kept", async () => {
  Object.assign(disk, { fails: "sync .disk.img.part", code: "ENOSPC" });
  await expect(moveAcross(source, target)).rejects.toMatchObject({ code: "library.full", kind: "unprocessable" });
  expect(await readFile(source, "utf8")).toBe("all bytes");
});
