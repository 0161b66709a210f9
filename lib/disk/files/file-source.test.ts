import { execFileSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { Scratch } from "../testing/scratch.ts";
import { openFileSource } from "./file-source.ts";

const KIB = 1024;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

it("tells where a sparse file has its data, as du counts it", async () => {
  const path = scratch.raw("sparse", 64 * 1024 * KIB, [
    [0, 4 * KIB],
    [1024 * KIB, 128 * KIB],
    [64 * 1024 * KIB - 4 * KIB, 4 * KIB],
  ]);
  await using source = await openFileSource(path);
  const ranges: { offset: number; length: number }[] = [];
  for await (const range of source.allocated?.() ?? []) ranges.push(range);
  expect(ranges).toEqual([
    { offset: 0, length: 4 * KIB },
    { offset: 1024 * KIB, length: 128 * KIB },
    { offset: 64 * 1024 * KIB - 4 * KIB, length: 4 * KIB },
  ]);
});

it("reads to the last byte, not beyond, and not after it was closed", async () => {
  writeFileSync(scratch.path("ten"), "0123456789");
  const source = await openFileSource(scratch.path("ten"));
  const into = Buffer.alloc(4);
  await source.read(6, into);
  expect(into.toString()).toBe("6789");
  await expect(source.read(7, into)).rejects.toMatchObject({ code: "io.short-read" });
  await expect(source.read(0, into, AbortSignal.abort())).rejects.toThrow("aborted");
  const late = source.read(0, into);
  await source[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  await late;
  expect(into.toString()).toBe("0123");
  await expect(source.read(0, into)).rejects.toMatchObject({ code: "io.closed" });
});

it("a file that is cut while it is open", async () => {
  const path = scratch.raw("cut", 8192, [[0, 8192]]);
  await using source = await openFileSource(path);
  truncateSync(path, 100);
  await expect(source.read(0, Buffer.alloc(8192))).rejects.toMatchObject({ code: "io.short-read" });
});

it("opens neither folders, FIFOs nor terminals, and waits for none of them", async () => {
  mkdirSync(scratch.path("folder"));
  execFileSync("mkfifo", [scratch.path("fifo")]);
  await expect(openFileSource(scratch.path("folder"))).rejects.toMatchObject({ code: "io.not-a-file" });
  await expect(openFileSource(scratch.path("fifo"))).rejects.toMatchObject({ code: "io.not-a-file" });
  await expect(openFileSource("/dev/zero")).rejects.toMatchObject({ code: "io.not-a-file" });
  await expect(openFileSource(scratch.path("nothing"))).rejects.toMatchObject({ code: "io.not-found" });
  await expect(openFileSource("a\0b")).rejects.toMatchObject({ code: "io.not-found" });
});
