import fc from "fast-check";
import { expect, it } from "vitest";
import { PackedRuns } from "./packed-runs.ts";

it("runs are found by number, by place and by rank, however they are asked for", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.oneof(
            fc.integer({ min: 1, max: 300 }),
            fc.maxSafeNat().map((n) => (n % 2 ** 42) + 1),
          ),
          fc.integer({ min: 1, max: 40_000 }),
        ),
        { maxLength: 400 },
      ),
      fc.array(fc.nat(400), { maxLength: 30 }),
      (gaps, asked) => {
        const packed = new PackedRuns();
        const plain: { start: number; count: number; before: number }[] = [];
        let end = 0;
        let before = 0;
        for (const [gap, count] of gaps) {
          plain.push({ start: end + gap, count, before });
          packed.add(end + gap, count);
          end += gap + count;
          before += count;
        }
        expect(packed.length).toBe(plain.length);
        expect(packed.total).toBe(before);
        for (const [i, run] of plain.entries()) expect(packed.run(i)).toEqual(run);
        for (const pick of asked) {
          if (plain.length === 0) break;
          const i = pick % plain.length;
          const run = plain[i] ?? { start: 0, count: 0, before: 0 };
          expect(packed.run(i)).toEqual(run);
          expect(packed.runFrom(run.start)).toBe(i);
          expect(packed.runFrom(run.start + run.count - 1)).toBe(i);
          expect(packed.runFrom(run.start + run.count)).toBe(i + 1);
          expect(packed.runOfRank(run.before)).toBe(i);
          expect(packed.runOfRank(run.before + run.count - 1)).toBe(i);
        }
        expect(packed.runOfRank(before)).toBe(plain.length);
        expect(packed.runFrom(0)).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});
