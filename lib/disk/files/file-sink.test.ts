import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Scratch } from "../testing/scratch.ts";
import { fileError } from "./file-error.ts";
import { createFileSink } from "./file-sink.ts";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const leftovers = () => readdirSync(scratch.folder).filter((name) => name.endsWith(".part"));

it("what is not written is a hole, and the length is the committed one", async () => {
  const path = scratch.path("holes");
  await using sink = await createFileSink(path);
  await sink.write(8 * 1024 * 1024, Buffer.from("end"));
  expect(existsSync(path)).toBe(false);
  await sink.commit(16 * 1024 * 1024);
  const stats = statSync(path);
  expect(stats.size).toBe(16 * 1024 * 1024);
  expect(stats.blocks * 512).toBeLessThan(64 * 1024);
  expect(readFileSync(path).toString("latin1", 8 * 1024 * 1024, 8 * 1024 * 1024 + 4)).toBe("end\0");
  expect(leftovers()).toEqual([]);
});

it("leaves nothing when it is given up, also with a write under way", async () => {
  const sink = await createFileSink(scratch.path("given-up"));
  const write = sink.write(0, Buffer.alloc(1_000_000, 1));
  await sink[Symbol.asyncDispose]();
  await write;
  await expect(sink.write(0, Buffer.alloc(1))).rejects.toMatchObject({ code: "io.closed" });
  expect(existsSync(scratch.path("given-up"))).toBe(false);
  expect(leftovers()).toEqual([]);
});

it("never takes a name from a file that came first, unless it was told to", async () => {
  const path = scratch.path("taken");
  const early = await createFileSink(path);
  await early.write(0, Buffer.from("new"));
  writeFileSync(path, "old");
  await expect(createFileSink(path)).rejects.toMatchObject({ code: "io.exists", kind: "conflict" });
  await expect(early.commit(3)).rejects.toMatchObject({ code: "io.exists" });
  await early[Symbol.asyncDispose]();
  expect(readFileSync(path, "utf8")).toBe("old");

  await using over = await createFileSink(path, { overwrite: true });
  await over.write(0, Buffer.from("newer"));
  await over.commit(5);
  expect(readFileSync(path, "utf8")).toBe("newer");
  expect(leftovers()).toEqual([]);
});

it("an abort before the name is taken leaves the old file", async () => {
  const path = scratch.path("aborted");
  await using sink = await createFileSink(path);
  await expect(sink.commit(10, AbortSignal.abort())).rejects.toThrow("aborted");
  expect(existsSync(path)).toBe(false);
});

it("no such folder", async () => {
  await expect(createFileSink(scratch.path("no/such/folder"))).rejects.toMatchObject({ code: "io.not-found" });
});

it("a full medium says so, and is left as it was", async () => {
  const folder = scratch.path("small");
  mkdirSync(folder);
  const asRoot = (command: string, ...args: string[]) =>
    process.getuid?.() === 0 ? execFileSync(command, args) : execFileSync("sudo", ["-n", command, ...args]);
  asRoot("mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", folder);
  try {
    const sink = await createFileSink(join(folder, "disk"));
    await expect(sink.write(0, Buffer.alloc(4 * 1024 * 1024, 1))).rejects.toMatchObject({
      code: "io.no-space",
      kind: "unprocessable",
    });
    await sink[Symbol.asyncDispose]();
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    asRoot("umount", folder);
  }
});

it("never replaces a folder or a device, and says which folder is missing", async () => {
  mkdirSync(scratch.path("folder"));
  for (const overwrite of [true, false]) {
    await expect(createFileSink(scratch.path("folder"), { overwrite })).rejects.toMatchObject({
      code: "io.not-a-file",
      message: expect.stringContaining("is a folder"),
    });
    await expect(createFileSink("/dev/null", { overwrite })).rejects.toMatchObject({ code: "io.not-a-file" });
  }
  await expect(createFileSink(scratch.path("none/x.raw"))).rejects.toMatchObject({
    code: "io.not-found",
    message: expect.stringContaining(`no folder ${scratch.path("none")}`),
  });
  expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
});

it("a full disk: the hint tells whether anything is left", () => {
  const full = Object.assign(new Error("full"), { code: "ENOSPC" });
  expect(fileError(full, "Writing x").hint).toContain("nothing of the unfinished file is left");
  expect(fileError(full, "Writing x", "all").hint).toContain("what was written is kept");
});

it("a name of as many bytes as the file system takes, in characters of several bytes", async () => {
  const path = scratch.path(`${"\u65e5".repeat(84)}.im`);
  expect(Buffer.byteLength(path.slice(scratch.folder.length + 1))).toBe(255);
  await using sink = await createFileSink(path);
  await sink.write(0, Buffer.from("x"));
  await sink.commit(1);
  expect(readFileSync(path, "utf8")).toBe("x");
  expect(leftovers()).toEqual([]);
});
