import fc from "fast-check";
import { expect, it } from "vitest";
import { allocationMap } from "./allocation-map.ts";
import { collectRuns } from "./granule-runs.ts";
import { memoryDisk } from "./testing/memory.ts";
import { dataParts, isZero } from "./zeros.ts";

it("granules with data are found by number and by rank", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom("d", "-"), minLength: 1, maxLength: 200 }),
      fc.constantFrom(512, 1024, 4096),
      async (kinds, granule) => {
        const disk = memoryDisk(Buffer.alloc(kinds.length * 512), kinds);
        const runs = await collectRuns(disk, granule);
        const per = granule / 512;
        const has = Array.from({ length: Math.ceil(kinds.length / per) }, (_, g) =>
          kinds.slice(g * per, (g + 1) * per).includes("d"),
        );
        const found = has.map(() => false);
        for (let i = 0; i < runs.length; i++) {
          const run = runs.run(i);
          for (let g = run.start; g < run.start + run.count; g++) {
            found[g] = true;
            expect(runs.runFrom(g)).toBe(i);
            expect(runs.runOfRank(run.before + g - run.start)).toBe(i);
          }
        }
        expect(found).toEqual(has);
        expect(runs.data).toBe(has.filter(Boolean).length);
        expect(runs.runOfRank(runs.data)).toBe(runs.length);

        // Fewer runs than there are: every granule with data is still in one.
        const few = await collectRuns(disk, granule, undefined, 3);
        expect(few.length).toBeLessThanOrEqual(3);
        for (const [g, data] of has.entries()) {
          const run = few.run(Math.min(few.runFrom(g), few.length - 1));
          if (data) expect(run.start <= g && g < run.start + run.count).toBe(true);
        }
      },
    ),
    { numRuns: 60 },
  );
});

it("the picture of a disk adds up", async () => {
  const disk = memoryDisk(Buffer.alloc(100 * 512), "d".repeat(30) + "-".repeat(45) + "d".repeat(25));
  const map = await allocationMap(disk, 10);
  expect(map.dataBytes).toBe(55 * 512);
  [1, 1, 1, 0, 0, 0, 0, 0.5, 1, 1].forEach((share, i) => expect(map.slices[i]).toBeCloseTo(share, 10));
  expect((await allocationMap(memoryDisk(Buffer.alloc(0)), 4)).slices).toEqual([0, 0, 0, 0]);
  for (const share of (await allocationMap(memoryDisk(Buffer.alloc(512)), 7)).slices) expect(share).toBeCloseTo(1, 10);
});

it("parts of data leave out only zeros, and only blocks of the file", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 20_000 })), { maxLength: 12 }),
      fc.nat(10_000),
      (pieces, at) => {
        const bytes = Buffer.concat(pieces.map(([data, length]) => Buffer.alloc(length, data ? 7 : 0)));
        const kept = Buffer.alloc(bytes.length);
        let last = -1;
        for (const [start, end] of dataParts(bytes, at, 16_384)) {
          expect(start).toBeGreaterThan(last);
          expect(start === 0 || (at + start) % 4096 === 0).toBe(true);
          bytes.copy(kept, start, start, end);
          last = end;
        }
        expect(kept.equals(bytes)).toBe(true);
        expect(isZero(bytes)).toBe(bytes.every((byte) => byte === 0));
      },
    ),
  );
});
