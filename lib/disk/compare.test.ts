import { expect, it } from "vitest";
import { compareDisks } from "./compare.ts";
import { memoryDisk } from "./testing/memory.ts";
import { ZeroDisk } from "./zero-disk.ts";

const bytes = (length: number, ...at: readonly number[]) => {
  const all = Buffer.alloc(length);
  for (const offset of at) all[offset] = 1;
  return all;
};

it("is blind to how zeros are stored", async () => {
  const stored = memoryDisk(bytes(8192, 100));
  const holes = memoryDisk(bytes(8192, 100), "dzzzzzzzzzzzzzzz");
  const found = await compareDisks(stored, holes);
  expect(found).toEqual({ equal: true, sizes: [8192, 8192], firstDifference: null });
});

it.each([
  ["in the middle", [1500], [1024, 512]],
  ["over two sectors", [1500, 1540], [1024, 1024]],
  ["in the last byte", [8191], [7680, 512]],
  ["twice: the first one", [600, 5000], [512, 512]],
] as const)("names the range that differs %s", async (_, at, [offset, length]) => {
  const found = await compareDisks(memoryDisk(bytes(8192)), memoryDisk(bytes(8192, ...at)));
  expect(found).toEqual({ equal: false, sizes: [8192, 8192], firstDifference: { offset, length } });
});

it("finds data on one side against a hole on the other, whichever side it is", async () => {
  const hole = memoryDisk(bytes(8192), "zzzzzzzzzzzzzzzz");
  const data = memoryDisk(bytes(8192, 4096), "zzzzzzzzdzzzzzzz");
  for (const [a, b] of [
    [hole, data],
    [data, hole],
  ] as const)
    expect((await compareDisks(a, b)).firstDifference).toEqual({ offset: 4096, length: 512 });
});

it("disks of two sizes are not the same, and their common bytes are still compared", async () => {
  const found = await compareDisks(memoryDisk(bytes(8192)), memoryDisk(bytes(4096)));
  expect(found).toEqual({ equal: false, sizes: [8192, 4096], firstDifference: null });
  const other = await compareDisks(memoryDisk(bytes(8192, 4000)), memoryDisk(bytes(4096)));
  expect(other.firstDifference).toEqual({ offset: 3584, length: 512 });
});

it("takes one step over holes, however large", async () => {
  const size = 62 * 1024 ** 4;
  let steps = 0;
  const found = await compareDisks(new ZeroDisk(size), new ZeroDisk(size), { onProgress: () => (steps += 1) });
  expect(found.equal).toBe(true);
  expect(steps).toBe(1);
});

it("stops when it is told to", async () => {
  const a = memoryDisk(bytes(8192, 1));
  await expect(compareDisks(a, a, { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
});
