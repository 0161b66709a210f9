/**
 * How long a conversion takes beside qemu-img (`convert -W -m 16`): medians of alternating runs, warm cache, ratios
 * ours / qemu-img. Ours runs in this process, so its start is not counted; qemu-img's few milliseconds are. qemu-img
 * does not wait for the medium by default, so neither do we here; the product's command line does.
 * Every result is compared with its source by qemu-img, outside of the time.
 * Usage: node e2e/bench/convert.ts [MiB of data, 1024] [runs, 5] [only rows whose name holds one of: raw→vdi,zstd …]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertDisk } from "#lib/disk/convert.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { CONVERSIONS, KINDS, type ConversionRow, type Kind } from "./measure/conversions.ts";
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

async function convert(source: string, from: Kind, to: Kind, row: ConversionRow): Promise<void> {
  await using opened = await openInspection(source, { from: from.format });
  await using sink = await createFileSink(target, { overwrite: true, durable: false });
  await convertDisk({ disk: opened.disk, to: to.format, options: { ...to.ours, ...row.options }, sink });
}

async function measure(row: ConversionRow): Promise<boolean> {
  const source = sourceOf(row);
  const [from, to] = [KINDS[row.from], KINDS[row.to]];
  const input = ["-f", from.qemu, ...to.theirs, source, target];
  const ours: Run[] = [];
  const theirs: Run[] = [];
  let [oursBytes, theirBytes] = [0, 0];
  for (let run = 0; run < runs; run++) {
    rmSync(target, { force: true });
    theirs.push(timeProgram("qemu-img", ["convert", "-W", "-m", "16", ...input]));
    theirBytes = statSync(target).blocks;
    rmSync(target, { force: true });
    ours.push(await timeWork(() => convert(source, from, to, row)));
    oursBytes = statSync(target).blocks;
  }
  execFileSync("qemu-img", ["compare", "-f", from.qemu, "-F", to.qemu, source, target]);
  rmSync(target, { force: true });
  return printRow({ name: row.name, ours, theirs, bar: row.bar, size: oursBytes / theirBytes });
}

try {
  makeRawDisk(raw, data);
  process.stdout.write(`${data} MiB of data in a disk of ${data * 4} MiB, ${runs} runs each\n`);
  printHead("qemu-img");
  let missed = 0;
  for (const row of CONVERSIONS) {
    if (only !== undefined && !only.some((part) => row.name.includes(part))) continue;
    if (!(await measure(row))) missed++;
  }
  process.stdout.write(`largest memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
  process.stdout.write(missed === 0 ? "all bars kept\n" : `${missed} bars missed\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
