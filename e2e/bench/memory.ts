/**
 * Memory and the wait for the first byte at the largest size of each format: a disk of 62 TiB (or the format's limit)
 * is planned with millions of runs of data, written with 2,000 of them, opened, walked, converted back to raw and
 * served in every format that takes it, each in a process of its own. Bars: 200 MB of resident memory; 50 ms from a
 * disk whose data is known (a sparse file's is) to the first 64 KiB of a virtual file, its whole layout being planned.
 * Usage: node e2e/bench/memory.ts [only these formats: raw,qcow2,…]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { convertDisk, parseOptions } from "#lib/disk/convert.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { formatOf } from "#lib/disk/registry.ts";
import { DiskFormatId } from "#lib/domain/disk-format.ts";
import { planVirtualFile } from "#lib/serve/virtual-file.ts";
import { countingSink, hugeDisk } from "./measure/huge-disk.ts";

const TIB = 2 ** 40;
const RSS_BAR_MB = 200;
const FIRST_BYTE_BAR_MS = 50;
/** Runs of data of the disk that is only planned: far more than a planner may keep. */
const PLANNED_PIECES = 3_000_000;
/** Of the disk that is written: 128 MiB of data. */
const WRITTEN_PIECES = 2000;

const SIZES: Readonly<Record<DiskFormatId, { readonly size: number; readonly options: Record<string, unknown> }>> = {
  raw: { size: 62 * TIB, options: {} },
  qcow2: { size: 62 * TIB, options: {} },
  vhdx: { size: 62 * TIB, options: {} },
  vdi: { size: 62 * TIB, options: {} },
  vmdk: { size: 1900 * 2 ** 30, options: {} },
  vhd: { size: 2040 * 2 ** 30, options: {} },
};

interface Measured {
  readonly planMs: number;
  readonly convertMs: number;
  readonly backMs: number;
  readonly firstByteMs: number;
  readonly rssMb: number;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function measure(format: DiskFormatId, folder: string): Promise<Measured> {
  const { size, options } = SIZES[format];
  const planMs = await timed(async () => {
    const kind = formatOf(format);
    const plan = await kind.plan?.(hugeDisk(size, PLANNED_PIECES), parseOptions(kind, options));
    let parts = 0;
    for (const _ of plan?.segments(0, 2 ** 30) ?? []) parts++;
    if (parts === 0) throw new Error("the plan is empty");
  });
  const disk = hugeDisk(size, WRITTEN_PIECES);
  const path = join(folder, `huge.${format}`);
  const convertMs = await timed(async () => {
    // No file system of 4 KiB blocks holds a raw file of that length.
    await using sink = format === "raw" ? countingSink() : await createFileSink(path, { durable: false });
    await convertDisk({ disk, to: format, options, sink });
  });
  await using opened = format === "raw" ? null : await openInspection(path);
  const written = opened?.disk ?? disk;
  const backMs = await timed(async () => {
    const sink = countingSink();
    await convertDisk({ disk: written, to: "raw", sink });
    if (sink.written < WRITTEN_PIECES * 65_536) throw new Error("data was lost");
  });
  let firstByteMs = 0;
  for (const as of DiskFormatId.options) {
    if (SIZES[as].size < size) continue;
    const ms = await timed(async () => {
      const file = await planVirtualFile({ disk, name: "x", format: as, options: SIZES[as].options });
      await file.read(0, Buffer.alloc(Math.min(65_536, file.length)));
    });
    firstByteMs = Math.max(firstByteMs, ms);
  }
  return { planMs, convertMs, backMs, firstByteMs, rssMb: process.resourceUsage().maxRSS / 1024 };
}

const [first = DiskFormatId.options.join(","), folder] = process.argv.slice(2);
if (folder !== undefined) {
  process.stdout.write(JSON.stringify(await measure(DiskFormatId.parse(first), folder)));
} else {
  const scratch = mkdtempSync(join(tmpdir(), "supravisor-memory-"));
  let missed = 0;
  try {
    process.stdout.write("format   size TiB  plan ms  write ms  back ms  first byte ms  RSS MB  verdict\n");
    for (const format of first.split(",").map((name) => DiskFormatId.parse(name))) {
      const text = execFileSync(process.execPath, [fileURLToPath(import.meta.url), format, scratch], {
        encoding: "utf8",
        timeout: 600_000,
        // As the command line starts the product.
        env: { MALLOC_ARENA_MAX: "2", ...process.env },
      });
      const { planMs, convertMs, backMs, firstByteMs, rssMb } = JSON.parse(text) as Measured;
      const kept = rssMb <= RSS_BAR_MB && firstByteMs <= FIRST_BYTE_BAR_MS;
      if (!kept) missed++;
      const cells = [
        (SIZES[format].size / TIB).toFixed(1),
        ...[planMs, convertMs, backMs, firstByteMs, rssMb].map((n) => n.toFixed(0)),
      ];
      const widths = [10, 9, 10, 9, 15, 8];
      process.stdout.write(
        `${format.padEnd(7)}${cells.map((cell, i) => cell.padStart(widths[i] ?? 9)).join("")}  ${kept ? "kept" : "MISSED"}\n`,
      );
      rmSync(join(scratch, `huge.${format}`), { force: true });
    }
    process.stdout.write(missed === 0 ? "all bars kept\n" : `${missed} bars missed\n`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
