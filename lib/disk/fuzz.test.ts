/** A few thousand mutants on every run; `npm run fuzz` goes on for as long as it is asked to. */
import { beforeAll, describe, expect, it } from "vitest";
import { makeCorpus, type Specimen } from "./testing/fuzz/corpus.ts";
import { fuzzSpecimen } from "./testing/fuzz/fuzz.ts";

const PER_SPECIMEN = 70;
let corpus: Specimen[];
beforeAll(async () => {
  corpus = await makeCorpus();
});

describe("mutants of every format", () => {
  // Seeds of both kinds, each with every other specimen: no test waits for all of them.
  it.each([
    [2, 0],
    [2, 1],
    [3, 0],
    [3, 1],
  ])("end in a typed error or in bytes (seed %d, half %d)", async (seed, half) => {
    const some = corpus.filter((_, i) => i % 2 === half);
    const seen = new Map<string, number>();
    let mutants = 0;
    for (const specimen of some) {
      const report = await fuzzSpecimen(specimen, seed, PER_SPECIMEN);
      expect(report.broken.map(({ what }) => `${specimen.name}: ${what}`)).toEqual([]);
      mutants += report.mutants;
      for (const [code, count] of report.outcomes) seen.set(code, (seen.get(code) ?? 0) + count);
    }
    expect(mutants).toBe(some.length * PER_SPECIMEN);
    // The damage does reach what is read: some are refused, for many reasons, and some still give their disk.
    expect(seen.get("read")).toBeGreaterThan(mutants / 20);
    expect(seen.size).toBeGreaterThan(8);
  });
});
