import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { memoryBytes, memoryImage } from "../../testing/memory.ts";
import { Scratch } from "../../testing/scratch.ts";
import { filesOfTar } from "../files/package-files.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

beforeAll(() => {
  // More parts than one block of any map holds, a hole at either end, and a file without a hole behind it.
  scratch.raw(
    "holes.img",
    8 * MIB,
    Array.from({ length: 60 }, (_, i) => [65_536 + i * 131_072, 4096] as [number, number]),
  );
  scratch.raw("empty.img", 4 * MIB, []);
  scratch.raw("full.img", 4096, [[0, 4096]]);
});

it.each([
  ["oldgnu", []],
  ["gnu", []],
  ["pax", ["--sparse-version=0.0"]],
  ["pax", ["--sparse-version=0.1"]],
  ["pax", ["--sparse-version=1.0"]],
])("holes that GNU tar left out, %s %j", async (format, more) => {
  const names = ["holes.img", "empty.img", "full.img"];
  execFileSync("tar", ["-S", `--format=${format}`, ...more, "-cf", "a.tar", ...names], { cwd: scratch.folder });
  const archive = readFileSync(scratch.path("a.tar"));
  expect(archive.length).toBeLessThan(MIB);
  const files = await filesOfTar(memoryImage("a.tar", memoryBytes(archive)));
  expect(files.names).toEqual(names);
  for (const name of names) {
    const whole = readFileSync(scratch.path(name));
    const { bytes } = (await files.open(name)) ?? { bytes: memoryBytes(Buffer.alloc(0)) };
    expect(bytes.size).toBe(whole.length);
    for (const [offset, length] of [
      [0, whole.length],
      [65_000, 4000],
      [whole.length - 100, 100],
    ] as const) {
      if (offset < 0 || offset + length > whole.length) continue;
      const read = Buffer.alloc(length, 1);
      await bytes.read(offset, read);
      expect(read.equals(whole.subarray(offset, offset + length))).toBe(true);
    }
  }
});
