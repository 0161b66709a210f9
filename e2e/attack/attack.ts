/**
 * `npm run attack`: attacks a console of its own, prints what was tried and what got through, and exits with 1 when
 * anything did. `--short` is the form that `npm test` runs; names of rooms or attacks limit it to
 * those.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Bench } from "./bench/bench.ts";
import { ROOMS } from "./rooms.ts";

const { values, positionals } = parseArgs({
  options: { short: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !ROOMS.some((attack) => attack.room === name || attack.name === name));
if (unknown.length > 0) {
  const rooms = [...new Set(ROOMS.map((attack) => attack.room))];
  process.stderr.write(`No such room or attack: ${unknown.join(", ")}. Rooms: ${rooms.join(", ")}\n`);
  process.exit(2);
}
const chosen = ROOMS.filter(
  (attack) =>
    (positionals.length === 0 || positionals.includes(attack.room) || positionals.includes(attack.name)) &&
    !(values.short && attack.form === "long"),
);

const started = performance.now();
const say = (text: string) =>
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
say("starting a console");
const bench = await Bench.set(values.short);
const { tally } = bench;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void bench.end().finally(() => process.exit(130)));
try {
  say(`attacking ${bench.url}`);
  // Those that wait for a limit of the console begin first and are judged last.
  const waiting: { name: string; judge: () => Promise<void> }[] = [];
  for (const { name, room, run } of chosen) {
    say(`${room}: ${name}`);
    try {
      const judge = await run(bench);
      if (typeof judge === "function") waiting.push({ name, judge });
    } catch (error) {
      tally
        .row(room, name)
        .check(false, `the attack itself failed: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  for (const { name, judge } of waiting) {
    say(`judging: ${name}`);
    await judge().catch((error: unknown) =>
      tally.row("waiting", name).check(false, `the attack itself failed: ${String(error)}`),
    );
  }
} finally {
  await bench.end();
}

const { passed, failed, skipped } = tally.totals();
const outDir = join(import.meta.dirname, "..", ".out");
mkdirSync(outDir, { recursive: true });
writeFileSync(join(outDir, "attack.json"), JSON.stringify({ passed, failed, skipped, rows: tally.rows }, null, 2));
process.stdout.write(`\n${tally.table()}\n${tally.list()}`);
process.stdout.write(`${((performance.now() - started) / 1000).toFixed(0)} s\n`);
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exit(failed === 0 ? 0 : 1);
