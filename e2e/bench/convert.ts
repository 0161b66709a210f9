/**
 * How long a conversion takes beside qemu-img: medians of alternating runs, warm cache, ratios ours / qemu-img.
 * Ours hashes the disk as well; `--no-fingerprint` has no counterpart in the product and so none here. qemu-img does
 * not wait for the medium by default, so neither do we here; the product's command line does.
 * Usage: node e2e/bench/convert.ts [MiB of data, 1024] [runs, 5] [only these pairs: raw:qcow2,qcow2:raw …]
 */
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertDisk } from "#lib/disk/convert.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";

const MIB = 1024 * 1024;
const data = Number(process.argv[2] ?? 1024);
const runs = Number(process.argv[3] ?? 5);
const only = process.argv[4]?.split(",");

interface Kind {
  readonly format: DiskFormatId;
  readonly ours: Record<string, unknown>;
  readonly theirs: readonly string[];
}
const KINDS: Record<string, Kind> = {
  raw: { format: "raw", ours: {}, theirs: ["-O", "raw"] },
  qcow2: { format: "qcow2", ours: {}, theirs: ["-O", "qcow2"] },
  "qcow2-zlib": { format: "qcow2", ours: {}, theirs: ["-c", "-O", "qcow2"] },
  "qcow2-zstd": { format: "qcow2", ours: {}, theirs: ["-c", "-O", "qcow2", "-o", "compression_type=zstd"] },
  vmdk: { format: "vmdk", ours: {}, theirs: ["-O", "vmdk"] },
  "vmdk-stream": {
    format: "vmdk",
    ours: { subformat: "streamOptimized" },
    theirs: ["-O", "vmdk", "-o", "subformat=streamOptimized"],
  },
  vhd: { format: "vhd", ours: {}, theirs: ["-O", "vpc"] },
  vhdx: { format: "vhdx", ours: {}, theirs: ["-O", "vhdx"] },
  vdi: { format: "vdi", ours: {}, theirs: ["-O", "vdi"] },
};
const PAIRS = [
  ["raw", "raw"],
  ["raw", "qcow2"],
  ["raw", "vmdk"],
  ["raw", "vmdk-stream"],
  ["raw", "vhd"],
  ["raw", "vhdx"],
  ["raw", "vdi"],
  ["qcow2", "raw"],
  ["qcow2-zlib", "raw"],
  ["qcow2-zstd", "raw"],
  ["vmdk-stream", "raw"],
  ["vmdk-stream", "qcow2"],
] as const;

const folder = mkdtempSync(join(tmpdir(), "supravisor-bench-"));
const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;

/** Data in pieces of 8 to 72 MiB over four times its size, half of it text-like so that packing has something to do. */
function makeRaw(path: string): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, data * 4 * MIB);
  const buffer = Buffer.alloc(MIB);
  for (let i = 0; i < data; i++) {
    randomFillSync(buffer);
    if (i % 2 === 0) for (let at = 0; at < MIB; at += 16) buffer.fill("supravisor", at, at + 12);
    writeSync(fd, buffer, 0, MIB, (i + Math.floor(i / 40) * 120) * MIB);
  }
  closeSync(fd);
}

async function ours(source: string, target: string, kind: Kind): Promise<void> {
  await using opened = await openInspection(source);
  await using sink = await createFileSink(target, { overwrite: true, durable: false });
  await convertDisk({ disk: opened.disk, to: kind.format, options: kind.ours, sink });
}

try {
  const raw = join(folder, "raw.raw");
  makeRaw(raw);
  const made = new Map([["raw", raw]]);
  for (const [from, to] of PAIRS) {
    if (only !== undefined && !only.includes(`${from}:${to}`)) continue;
    const source = made.get(from) ?? join(folder, `source.${from}`);
    if (!made.has(from)) execFileSync("qemu-img", ["convert", ...(KINDS[from]?.theirs ?? []), raw, source]);
    made.set(from, source);
    const kind = KINDS[to];
    if (kind === undefined) continue;
    const mine: number[] = [];
    const qemu: number[] = [];
    const target = join(folder, "target.raw");
    for (let run = 0; run < runs; run++) {
      rmSync(target, { force: true });
      let started = performance.now();
      await ours(source, target, kind);
      mine.push(performance.now() - started);
      rmSync(target, { force: true });
      started = performance.now();
      execFileSync("qemu-img", ["convert", "-W", "-m", "16", ...kind.theirs, source, target]);
      qemu.push(performance.now() - started);
    }
    rmSync(target, { force: true });
    const [a, b] = [median(mine), median(qemu)];
    process.stdout.write(
      `${`${from} → ${to}`.padEnd(26)} ours ${(a / 1000).toFixed(2)} s  qemu-img ${(b / 1000).toFixed(2)} s  ratio ${(a / b).toFixed(2)}\n`,
    );
  }
  process.stdout.write(`largest memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
