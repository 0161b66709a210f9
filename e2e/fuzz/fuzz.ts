/**
 * `npm run fuzz -- --minutes 10 --seed 1`: mutants of every format and of hosts' answers until the time is over. A mutant that breaks
 * something is kept in e2e/.cache/fuzz with its seed; the exit code is then 1.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fuzzPeer, PEER_PARSERS } from "#lib/hypervisor/testing-mutants.ts";
import { makeCorpus } from "#lib/disk/testing/fuzz/corpus.ts";
import { fuzzSpecimen } from "#lib/disk/testing/fuzz/fuzz.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const until = Date.now() + Number(values.minutes) * 60_000;
const folder = join(import.meta.dirname, "..", ".cache", "fuzz");
const corpus = await makeCorpus();
const seen = new Map<string, number>();
let mutants = 0;
let broken = 0;
for (let seed = Number(values.seed); Date.now() < until; seed += 1) {
  for (const specimen of corpus) {
    const report = await fuzzSpecimen(specimen, seed, 500);
    mutants += report.mutants;
    for (const [code, count] of report.outcomes) seen.set(code, (seen.get(code) ?? 0) + count);
    for (const { what, mutant } of report.broken) {
      broken += 1;
      const name = `${seed}-${broken}-${specimen.name}`;
      mkdirSync(folder, { recursive: true });
      if (mutant !== null) writeFileSync(join(folder, name), mutant);
      process.stdout.write(`${name} (seed ${seed}): ${what}\n`);
    }
  }
  for (const name of Object.keys(PEER_PARSERS)) {
    const report = await fuzzPeer(name, seed, 2000);
    mutants += 2000;
    for (const what of report.broken) {
      broken += 1;
      process.stdout.write(`${what}\n`);
    }
  }
  process.stderr.write(`seed ${seed}: ${mutants} mutants, ${broken} broken\n`);
}
for (const [code, count] of [...seen].sort((a, b) => b[1] - a[1]))
  process.stdout.write(`${String(count).padStart(8)}  ${code}\n`);
process.stdout.write(`${mutants} mutants, ${broken} broken\n`);
process.exitCode = broken === 0 ? 0 : 1;
