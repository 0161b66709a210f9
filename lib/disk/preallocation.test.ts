import { readFileSync, statSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { convertDisk } from "./convert.ts";
import { convertStream } from "./convert-stream.ts";
import { convertFile } from "./file-conversion.ts";
import { createFileSink } from "./files/file-sink.ts";
import { memoryDisk, MemorySink } from "./testing/memory.ts";
import { Scratch } from "./testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const SIZE = 7 * MIB + 512;
const source = scratch.raw("source.raw", SIZE, [[2 * MIB, 4096]]);
const allocated = (path: string) => statSync(path).blocks * 512;

it.each(["off", "falloc", "full"] as const)("preallocation=%s", async (preallocation) => {
  const target = scratch.path(`${preallocation}.raw`);
  const options = { preallocation };
  await convertFile({ source, target, to: "raw", options });
  scratch.qemuImg("compare", "-f", "raw", "-F", "raw", source, target);
  const theirs = scratch.path(`qemu-${preallocation}.raw`);
  scratch.qemuImg("convert", "-f", "raw", "-O", "raw", "-o", `preallocation=${preallocation}`, source, theirs);
  // Both take whole blocks of the file system, and both either the data's alone or all of them.
  expect(Math.abs(allocated(target) - allocated(theirs))).toBeLessThan(65_536);
  expect(allocated(target) >= SIZE).toBe(preallocation !== "off");
});

it("a disk that passes by once has its space set aside too; a target that cannot says so", async () => {
  const bytes = readFileSync(source);
  const target = scratch.path("passing.raw");
  const stream = () => ({
    size: SIZE,
    order: "forward" as const,
    async *pieces() {
      yield { offset: 2 * MIB, bytes: bytes.subarray(2 * MIB, 3 * MIB) };
    },
    [Symbol.asyncDispose]: async () => undefined,
  });
  const options = { preallocation: "falloc" };
  {
    await using sink = await createFileSink(target);
    await convertStream({ stream: stream(), to: "raw", options, sink });
  }
  expect(readFileSync(target).equals(bytes)).toBe(true);
  expect(allocated(target)).toBeGreaterThanOrEqual(SIZE);
  const refused = { code: "sink.no-preallocation" };
  const sink = new MemorySink();
  await expect(convertDisk({ disk: memoryDisk(bytes), to: "raw", options, sink })).rejects.toMatchObject(refused);
  await expect(convertStream({ stream: stream(), to: "raw", options, sink })).rejects.toMatchObject(refused);
});
