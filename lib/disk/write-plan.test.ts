import { expect, it } from "vitest";
import type { FilePlan, Segment } from "./plan.ts";
import { readPlan } from "./plan-reader.ts";
import { memoryDisk, MemorySink } from "./testing/memory.ts";
import { writePlan } from "./write-plan.ts";

const MIB = 1024 * 1024;

/** Tables of odd lengths between pieces of the disk, one of them longer than any write. */
function oddPlan(): { plan: FilePlan; disk: ReturnType<typeof memoryDisk>; file: Buffer } {
  const bytes = Buffer.alloc(6 * MIB);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 1 + (i % 253);
  bytes.fill(0, 2 * MIB, 2 * MIB + 40_960);
  bytes.fill(0, 4 * MIB, 4 * MIB + 4096);
  const table = Buffer.alloc(3 * MIB + 77, 0xfe);
  const pieces: (Segment | null)[] = [];
  let at = 0;
  const add = (length: number, make: (at: number) => Segment) => {
    pieces.push(make(at));
    at += length;
  };
  add(512, (from) => ({ at: from, length: 512, kind: "meta", bytes: () => Buffer.alloc(512, 0xcc) }));
  add(2 * MIB, (from) => ({ at: from, length: 2 * MIB, kind: "disk", offset: 0 }));
  add(100, (from) => ({ at: from, length: 100, kind: "zero" }));
  add(table.length, (from) => ({ at: from, length: table.length, kind: "meta", bytes: () => table }));
  add(5 * MIB, (from) => ({ at: from, length: 5 * MIB, kind: "zero" }));
  add(4 * MIB, (from) => ({ at: from, length: 4 * MIB, kind: "disk", offset: 2 * MIB }));
  add(512, (from) => ({ at: from, length: 512, kind: "meta", bytes: () => Buffer.alloc(512, 0xdd) }));
  const segments = pieces.filter((piece) => piece !== null);
  const file = Buffer.concat(
    segments.map((s) =>
      s.kind === "meta"
        ? s.bytes()
        : s.kind === "zero"
          ? Buffer.alloc(s.length)
          : bytes.subarray(s.offset, s.offset + s.length),
    ),
  );
  return {
    plan: { length: at, segments: (from = 0, to = at) => segments.filter((s) => s.at < to && s.at + s.length > from) },
    disk: memoryDisk(bytes),
    file,
  };
}

it.each([true, false])("writes what the plan says (seekable: %s)", async (seekable) => {
  const { plan, disk, file } = oddPlan();
  const sink = new MemorySink(seekable);
  const heard: [number, number][] = [];
  const { moved } = await writePlan({
    plan,
    disk,
    sink,
    onDiskBytes: (offset, bytes) => void heard.push([offset, bytes.length]),
  });
  await sink.commit(plan.length);
  expect(sink.bytes?.equals(file)).toBe(true);
  expect(moved).toBe(sink.writes.reduce((sum, write) => sum + write.length, 0));
  expect(heard.map(([offset]) => offset)).toEqual([...heard.map(([offset]) => offset)].sort((a, b) => a - b));
  expect(heard.reduce((sum, [, length]) => sum + length, 0)).toBe(6 * MIB);
  // 5 MiB of zeros lie between; 40 KiB of zeros in the data are worth a hole, 4 KiB are not.
  expect(moved).toBeLessThanOrEqual(file.length - 5 * MIB - (seekable ? 32_768 : 0));
  expect(sink.writes.length).toBeLessThan(20);
});

it("reads any range of the file", async () => {
  const { plan, disk, file } = oddPlan();
  for (const [from, length] of [
    [0, 1],
    [511, 2],
    [2 * MIB, 4 * MIB],
    [file.length - 600, 600],
    [5 * MIB, 7 * MIB],
    [0, file.length],
    [77, 0],
  ] as const) {
    const into = Buffer.alloc(length, 0x11);
    await readPlan(plan, disk, from, into);
    expect(into.equals(file.subarray(from, from + length)), `${length} bytes from ${from}`).toBe(true);
  }
  await expect(readPlan(plan, disk, file.length, Buffer.alloc(1))).rejects.toMatchObject({ code: "io.past-end" });
});
