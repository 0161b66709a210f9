/** What is checked is what is opened: whoever swaps a folder for a link in between gets nothing. */
import { execFileSync, spawn } from "node:child_process";
import type * as Fs from "node:fs";
import { once } from "node:events";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { chmod, link, mkdtemp, realpath, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openByWalk } from "#lib/disk/files/open-located.ts";
import { copyImage } from "./copy-image.ts";
import { listImportFolder, requireImportable } from "./folders.ts";
import type { ImportPlace } from "./import-guard.ts";

const KEY = "the key of the console, which nobody may have";
/** Called right before every open of `node:fs`. */
const hooks = vi.hoisted(() => ({ beforeOpen: null as ((path: string) => void) | null }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof Fs>();
  return {
    ...fs,
    open: (path: string, ...rest: [never]) => {
      hooks.beforeOpen?.(path);
      return fs.open(path, ...rest);
    },
  };
});

let root: string;
let place: ImportPlace;
let target: string;
const at = (name: string): string => join(root, name);
const signal = new AbortController().signal;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "import-race-")));
  for (const name of ["images/sub", "data/db", "elsewhere", "target"]) mkdirSync(at(name), { recursive: true });
  writeFileSync(at("images/sub/auth.key"), "an image");
  writeFileSync(at("images/sub/disk.img"), "an image");
  writeFileSync(at("data/auth.key"), KEY, { mode: 0o600 });
  writeFileSync(at("elsewhere/disk.img"), KEY);
  writeFileSync(at("data/db/1"), KEY, { mode: 0o600 });
  place = { folders: [at("images")], dataDir: at("data") };
  target = at("target");
});
afterEach(async () => {
  hooks.beforeOpen = null;
  await rm(root, { recursive: true });
});

const swapFor = (folder: string): void => {
  renameSync(at("images/sub"), at("images/aside"));
  symlinkSync(folder, at("images/sub"));
};
const swapBack = (): void => {
  rmSync(at("images/sub"));
  renameSync(at("images/aside"), at("images/sub"));
};

/** As the service and its job do it: the path is judged, written down, and opened much later in a thread. */
async function importLater(path: string, between: () => void): Promise<unknown> {
  const { path: source } = await requireImportable(place, path);
  between();
  return copyImage({ source, from: place, folder: target, said: "raw", free: 2 ** 40 }, signal, () => undefined).catch(
    (error: unknown) => error,
  );
}

const leaked = (): string[] =>
  readdirSync(target).filter((name) => readFileSync(join(target, name), "utf8").includes(KEY));

describe("a folder that becomes a link after the path was judged", () => {
  it.each(["data", "elsewhere"])("to %s: nothing is read", async (where) => {
    const name = where === "data" ? "auth.key" : "disk.img";
    const outcome = await importLater(at(`images/sub/${name}`), () => swapFor(at(where)));
    expect(outcome).toMatchObject({ code: "import.outside-folders", kind: "forbidden" });
    expect(readdirSync(target)).toEqual([]);
  });

  it("between any two looks of ours: whatever is opened is judged", async () => {
    // The link is there for the time of each open alone: every look at the path sees the honest folder.
    let swapped = 0;
    hooks.beforeOpen = (path) => {
      if (!path.startsWith(at("images/sub/"))) return;
      swapped++;
      swapFor(at("elsewhere"));
      setTimeout(swapBack, 5);
    };
    const outcome = await importLater(at("images/sub/disk.img"), () => undefined).catch((error: unknown) => error);
    hooks.beforeOpen = null;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(swapped).toBeGreaterThan(0);
    expect(outcome).toMatchObject({ code: "import.outside-folders" });
    expect(leaked()).toEqual([]);
  });
});

it("a file beside the image, swapped as it is opened, is not read", async () => {
  execFileSync("qemu-img", [
    "create",
    "-q",
    "-f",
    "vmdk",
    "-o",
    "subformat=monolithicFlat",
    at("images/sub/a.vmdk"),
    "1M",
  ]);
  writeFileSync(at("elsewhere/a-flat.vmdk"), KEY.padEnd(1_048_576, "\0"));
  let swapped = 0;
  hooks.beforeOpen = (path) => {
    if (!path.endsWith("/a-flat.vmdk") || path.startsWith(target)) return;
    swapped++;
    swapFor(at("elsewhere"));
    setTimeout(swapBack, 5);
  };
  const source = at("images/sub/a.vmdk");
  const outcome = await copyImage(
    { source, from: place, folder: target, said: null, free: 2 ** 40 },
    signal,
    () => undefined,
  ).catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(swapped).toBeGreaterThan(0);
  expect(outcome).toMatchObject({ kind: expect.stringMatching(/unprocessable|forbidden/) as string });
  expect(leaked()).toEqual([]);
});

it("a file of a machine's folder, swapped as it is opened, is not read", async () => {
  mkdirSync(at("images/sub/m/Virtual Hard Disks"), { recursive: true });
  writeFileSync(at("images/sub/m/AB.vmcx"), "x");
  const disk = at("images/sub/m/Virtual Hard Disks/d.vhdx");
  execFileSync("qemu-img", ["create", "-q", "-f", "vhdx", disk, "1M"]);
  mkdirSync(at("elsewhere/m/Virtual Hard Disks"), { recursive: true });
  writeFileSync(at("elsewhere/m/Virtual Hard Disks/d.vhdx"), Buffer.concat([readFileSync(disk), Buffer.from(KEY)]));
  const copy = () =>
    copyImage(
      { source: at("images/sub/m"), from: place, folder: target, said: null, free: 2 ** 40 },
      signal,
      () => undefined,
    );
  let swapped = 0;
  hooks.beforeOpen = (path) => {
    if (!path.endsWith("/d.vhdx") || path.startsWith(target)) return;
    swapped++;
    swapFor(at("elsewhere"));
    setTimeout(swapBack, 5);
  };
  const outcome = await copy().catch((error: unknown) => error);
  hooks.beforeOpen = null;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(swapped).toBeGreaterThan(0);
  expect(outcome).toMatchObject({ code: expect.stringMatching(/^i/) as string });
  expect(leaked()).toEqual([]);
  // As it is without the swapper.
  rmSync(target, { recursive: true });
  mkdirSync(target);
  expect(await copy()).toMatchObject({ fileNames: ["AB.vmcx", "d.vhdx"] });
});

it("a swapper in a tight loop never wins", async () => {
  const script = `
    const fs = require("node:fs"), [images, outside] = process.argv.slice(1);
    process.stdout.write("go");
    for (const end = Date.now() + 2500; Date.now() < end; ) {
      fs.renameSync(images + "/sub", images + "/aside"); fs.symlinkSync(outside, images + "/sub");
      fs.rmSync(images + "/sub"); fs.renameSync(images + "/aside", images + "/sub");
    }`;
  const swapper = spawn(process.execPath, ["-e", script, at("images"), at("elsewhere")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const over = once(swapper, "exit");
  await once(swapper.stdout, "data");
  let running = true;
  void over.then(() => (running = false));
  const outcomes = new Map<string, number>();
  while (running) {
    const outcome = await importLater(at("images/sub/disk.img"), () => undefined).catch((error: unknown) => error);
    const how = outcome instanceof Error && "code" in outcome ? String(outcome.code) : "copied";
    outcomes.set(how, (outcomes.get(how) ?? 0) + 1);
    expect(leaked()).toEqual([]);
    for (const name of readdirSync(target)) rmSync(join(target, name));
  }
  expect(outcomes.get("copied") ?? 0).toBeGreaterThan(0);
  expect([...outcomes.keys()].sort()).toEqual(outcomes.size === 1 ? ["copied"] : ["copied", "import.outside-folders"]);
}, 30_000);

describe("the data folder is never read", () => {
  const imported = (path: string) => importLater(path, () => undefined).catch((error: unknown) => error);

  it("when it lies in an allowed folder, by listing or by name", async () => {
    // Moved there after the folder was allowed.
    renameSync(at("data"), at("images/data"));
    place = { ...place, dataDir: at("images/data") };
    expect(await imported(at("images/data/auth.key"))).toMatchObject({ code: "import.outside-folders" });
    await expect(listImportFolder(place, at("images/data"))).rejects.toMatchObject({ code: "import.outside-folders" });
    // The folder as a whole is out: it holds the keys.
    await expect(listImportFolder(place, at("images"))).rejects.toMatchObject({ code: "import.outside-folders" });
  });

  it("by a hard link, to a key or into the database", async () => {
    linkSync(at("data/auth.key"), at("images/key.img"));
    linkSync(at("data/db/1"), at("images/database.img"));
    await chmod(at("data/db/1"), 0o644);
    for (const name of ["key.img", "database.img"])
      expect(await imported(at(`images/${name}`)), name).toMatchObject({ code: "import.outside-folders" });
    expect((await listImportFolder(place, at("images"))).map(({ name }) => name)).toEqual(["sub"]);
  });

  it("nor is a file of others that a hard link brought", async () => {
    writeFileSync(at("elsewhere/shadow"), KEY, { mode: 0o600 });
    await chmod(at("images"), 0o777);
    await link(at("elsewhere/shadow"), at("images/shadow.img"));
    expect(await imported(at("images/shadow.img"))).toMatchObject({ code: "import.hard-linked" });
    // Everybody may read it; or nobody but its owner can put names there.
    await chmod(at("elsewhere/shadow"), 0o644);
    expect(await imported(at("images/shadow.img"))).toMatchObject({ fileNames: ["shadow.img"] });
    await chmod(at("elsewhere/shadow"), 0o600);
    await chmod(at("images"), 0o755);
    rmSync(join(target, "shadow.img"));
    expect(await imported(at("images/shadow.img"))).toMatchObject({ fileNames: ["shadow.img"] });
  });
});

it("pipes, sockets and devices are refused at once", async () => {
  execFileSync("mkfifo", [at("images/pipe.img")]);
  const server = createServer().listen(at("images/socket.img"));
  await once(server, "listening");
  try {
    for (const name of ["pipe.img", "socket.img"])
      await expect(requireImportable(place, at(`images/${name}`)), name).rejects.toMatchObject({
        code: "import.not-a-file",
      });
    expect((await listImportFolder(place, at("images"))).map(({ name }) => name)).toEqual(["sub"]);
    // One that becomes a pipe after it was judged.
    const outcome = await importLater(at("images/sub/disk.img"), () => {
      rmSync(at("images/sub/disk.img"));
      execFileSync("mkfifo", [at("images/sub/disk.img")]);
    });
    expect(outcome).toMatchObject({ code: "import.not-a-file" });
  } finally {
    server.close();
  }
});

it("where the kernel does not name what is open, no link on the way is followed", async () => {
  const opened = await openByWalk(at("images/sub/disk.img"), 0);
  expect(opened.path).toBe(at("images/sub/disk.img"));
  const { closeSync } = await import("node:fs");
  closeSync(opened.fd);
  const { openWithoutLinks } = await import("#lib/disk/files/open-without-links.ts");
  swapFor(at("elsewhere"));
  expect(() => openWithoutLinks(at("images/sub/disk.img"), 0)).toThrow(
    expect.objectContaining({ code: "ELOOP" }) as Error,
  );
  expect(() => openWithoutLinks(at("images/absent/disk.img"), 0)).toThrow(
    expect.objectContaining({ code: "ENOENT" }) as Error,
  );
});
