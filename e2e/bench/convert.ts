/**
 * How long a conversion takes beside qemu-img (`convert -W -m 16`): medians of alternating runs, warm cache, ratios
 * ours / qemu-img. Ours runs in this process, so its start is not counted; qemu-img's few milliseconds are. qemu-img
 * does not wait for the medium by default, so neither do we here; the product's command line does.
 * Uncompressed pairs have two rows: as the product does it, which hashes the disk on the way, and the copy alone
 * (`--no-fingerprint`), which is what qemu-img does.
 * Every result is compared with its source by qemu-img, outside of the time.
 * Usage: node e2e/bench/convert.ts [MiB of data, 1024] [runs, 5] [only rows whose name holds one of: raw→vdi,zstd …]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertDisk, convertWithoutFingerprint } from "#lib/disk/convert.ts";
import { convertFile, openInspection } from "#lib/disk/file-conversion.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { CONVERSIONS, KINDS, type ConversionRow } from "./measure/conversions.ts";
import { SHARED, SHARED_SOURCES, type SharedRow } from "./measure/shared-conversions.ts";
import { makeRawDisk } from "./measure/source-disk.ts";
import { timeProgram, timeWork, type Run } from "./measure/timed-program.ts";
import { printHead, printRow } from "./measure/verdicts.ts";

const data = Number(process.argv[2] ?? 1024);
const runs = Number(process.argv[3] ?? 5);
const only = process.argv[4]?.split(",");

const folder = mkdtempSync(join(tmpdir(), "supravisor-bench-"));
const raw = join(folder, "raw.raw");
const target = join(folder, "target.img");
const sources = new Map<string, string>([["raw", raw]]);

/** The source in the row's format, as qemu-img makes it. */
function sourceOf(row: ConversionRow): string {
  const made = sources.get(row.from);
  if (made !== undefined) return made;
  const path = join(folder, `source.${row.from}`);
  execFileSync("qemu-img", ["convert", "-f", "raw", ...KINDS[row.from].theirs, raw, path]);
  sources.set(row.from, path);
  return path;
}

async function convert(
  source: string,
  row: ConversionRow,
  work: typeof convertDisk | typeof convertWithoutFingerprint,
) {
  const [from, to] = [KINDS[row.from], KINDS[row.to]];
  await using opened = await openInspection(source, { from: from.format });
  await using sink = await createFileSink(target, { overwrite: true, durable: false });
  await work({ disk: opened.disk, to: to.format, options: { ...to.ours, ...row.options }, sink });
}

/** Answers how many bars were missed. */
async function measure(row: ConversionRow): Promise<number> {
  const source = sourceOf(row);
  const [from, to] = [KINDS[row.from], KINDS[row.to]];
  const theirs: Run[] = [];
  const ours: Run[] = [];
  const alone: Run[] = [];
  let [oursBytes, theirBytes] = [0, 0];
  for (let run = 0; run < runs; run++) {
    rmSync(target, { force: true });
    theirs.push(timeProgram("qemu-img", ["convert", "-W", "-m", "16", "-f", from.qemu, ...to.theirs, source, target]));
    theirBytes = statSync(target).blocks;
    if (row.alone) {
      rmSync(target, { force: true });
      alone.push(await timeWork(() => convert(source, row, convertWithoutFingerprint)));
    }
    rmSync(target, { force: true });
    ours.push(await timeWork(() => convert(source, row, convertDisk)));
    oursBytes = statSync(target).blocks;
  }
  execFileSync("qemu-img", ["compare", "-f", from.qemu, "-F", to.qemu, source, target]);
  rmSync(target, { force: true });
  const { name, bar } = row;
  const kept = [printRow({ name, ours, theirs, bar, size: oursBytes / theirBytes })];
  if (row.alone) kept.push(printRow({ name: `  the copy alone`, ours: alone, theirs, bar }));
  return kept.filter((one) => !one).length;
}

/** A name for where the disk lies, against qemu-img's copy into the same format. */
async function measureShared({ name, from, to, theirs: wanted, qemu }: SharedRow): Promise<number> {
  const source = join(folder, `flat.${from}.img`);
  rmSync(source, { force: true });
  execFileSync("qemu-img", ["convert", "-f", "raw", ...SHARED_SOURCES[from].made, raw, source]);
  const ours: Run[] = [];
  const theirs: Run[] = [];
  const work = async () => {
    const done = await convertFile({ source, target, to, options: {}, share: true, from: SHARED_SOURCES[from].format });
    if (done.sharedWith === null) throw new Error(`${name} was copied`);
  };
  for (let run = 0; run < runs; run++) {
    rmSync(target, { force: true });
    theirs.push(
      timeProgram("qemu-img", [
        "convert",
        "-W",
        "-m",
        "16",
        "-f",
        SHARED_SOURCES[from].qemu,
        ...wanted,
        source,
        target,
      ]),
    );
    rmSync(target, { force: true });
    ours.push(await timeWork(work));
  }
  execFileSync("qemu-img", ["compare", "-f", SHARED_SOURCES[from].qemu, "-F", qemu, source, target], { cwd: folder });
  rmSync(target, { force: true });
  return printRow({ name, ours, theirs, bar: 0.05 }) ? 0 : 1;
}

try {
  makeRawDisk(raw, data);
  process.stdout.write(`${data} MiB of data in a disk of ${data * 4} MiB, ${runs} runs each\n`);
  printHead("qemu-img");
  let missed = 0;
  for (const row of CONVERSIONS) {
    if (only !== undefined && !only.some((part) => row.name.includes(part))) continue;
    missed += await measure(row);
  }
  for (const row of SHARED) {
    if (only !== undefined && !only.some((part) => row.name.includes(part))) continue;
    missed += await measureShared(row);
  }
  process.stdout.write(`largest memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
  process.stdout.write(missed === 0 ? "all bars kept\n" : `${missed} bars missed\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
