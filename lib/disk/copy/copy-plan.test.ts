import { closeSync, openSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { BlockSource } from "../block-source.ts";
import { convertDisk, convertWithoutFingerprint, parseOptions } from "../convert.ts";
import { openInspection } from "../file-conversion.ts";
import { createFilePair } from "../files/file-pair.ts";
import { createFileSink } from "../files/file-sink.ts";
import { slowWrites } from "../filters/rate-limit.ts";
import { fingerprintDisk } from "../fingerprint.ts";
import type { FilePlan, Segment } from "../plan.ts";
import { formatOf } from "../registry.ts";
import { memoryDisk, MemorySink } from "../testing/memory.ts";
import { Scratch } from "../testing/scratch.ts";
import { writePlan } from "../write-plan.ts";
import { copyPlan, lendsFile, type CopyPlanOptions } from "./copy-plan.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

/** Data at every kind of border: of leaves, blocks, grains and pages, and a last sector alone. */
const SIZE = 9 * MIB + 1536;
const source = scratch.raw("source.raw", SIZE, [
  [0, 4096],
  [20 * KIB, 4096],
  [64 * KIB, 100_000],
  [MIB - 512, 1024],
  [2 * MIB, 2 * MIB],
  [5 * MIB - 4096, 8192],
  [7 * MIB + 12_288, 40_960],
  [SIZE - 512, 512],
]);

const FORMATS: readonly [DiskFormatId, Record<string, unknown>][] = [
  ["raw", {}],
  ["qcow2", {}],
  ["qcow2", { cluster_size: 512 }],
  ["vmdk", {}],
  ["vhd", {}],
  ["vhd", { subformat: "fixed" }],
  ["vhdx", {}],
  ["vdi", {}],
  ["vdi", { static: true }],
];

async function planFor(to: DiskFormatId, options: Record<string, unknown>, disk: BlockSource): Promise<FilePlan> {
  const format = formatOf(to);
  const plan = await format.plan?.(disk, parseOptions(format, options));
  if (plan === undefined) throw new Error(`${to} has no plan`);
  return plan;
}

async function copied(plan: FilePlan, disk: BlockSource, name: string, fingerprint = true) {
  const path = scratch.path(name);
  await using sink = await createFileSink(path, { overwrite: true, durable: false });
  if (!lendsFile(sink)) throw new Error("the sink does not lend its file");
  const outcome = await copyPlan({ plan, disk, sink, fingerprint });
  await sink.commit(plan.length);
  return { ...outcome, bytes: readFileSync(path) };
}

it.each(FORMATS)(
  "%s %o: byte for byte what the plan says, from a file, from memory and without hashing",
  async (to, options) => {
    await using opened = await openInspection(source);
    const { disk } = opened;
    const plan = await planFor(to, options, disk);
    const sink = new MemorySink();
    await writePlan({ plan, disk, sink });
    await sink.commit(plan.length);
    const print = await fingerprintDisk(disk);

    const file = await copied(plan, disk, `${to}.img`);
    expect(file.bytes.equals(sink.bytes ?? Buffer.alloc(0))).toBe(true);
    expect(file.fingerprint).toBe(print);

    const plain = await copied(plan, disk, `${to}.img`, false);
    expect(plain.bytes.equals(file.bytes)).toBe(true);
    expect(plain.fingerprint).toBeNull();

    const content = Buffer.alloc(disk.size);
    await disk.read(0, content);
    const memory = await copied(plan, memoryDisk(content), `${to}.img`);
    expect(memory.bytes.equals(file.bytes)).toBe(true);
    expect(memory.fingerprint).toBe(print);
  },
);

it.each(["qcow2", "vmdk", "vpc", "vhdx", "vdi"])(
  "from %s: the raw disk comes out, with its fingerprint",
  async (theirs) => {
    const image = scratch.path(`made.${theirs}`);
    scratch.qemuImg(
      "convert",
      "-f",
      "raw",
      "-O",
      theirs,
      ...(theirs === "vpc" ? ["-o", "force_size=on"] : []),
      source,
      image,
    );
    await using opened = await openInspection(image);
    const out = scratch.path(`from-${theirs}.raw`);
    await using sink = await createFileSink(out, { overwrite: true });
    const { fingerprint } = await convertDisk({ disk: opened.disk, to: "raw", sink });
    scratch.qemuImg("compare", "-f", "raw", "-F", "raw", source, out);
    expect(fingerprint).toBe(await fingerprintDisk(opened.disk));
  },
);

it("the fingerprint is the disk's where the plan leaves data out, and where it goes back and forth", async () => {
  await using opened = await openInspection(source);
  const { disk } = opened;
  const print = await fingerprintDisk(disk);
  const of = (...list: Segment[]): FilePlan => ({ length: 4 * MIB, segments: () => list });
  const lossy = of({ at: 0, length: 4 * MIB, kind: "disk", offset: 3 * MIB });
  expect((await copied(lossy, disk, "lossy")).fingerprint).toBe(print);
  const half = (at: number, offset: number): Segment => ({ at, length: 2 * MIB, kind: "disk", offset });
  const swapped = await copied(of(half(0, 2 * MIB), half(2 * MIB, 0)), disk, "swapped");
  expect(swapped.fingerprint).toBe(print);
  const raw = readFileSync(source);
  expect(swapped.bytes.subarray(0, 2 * MIB).equals(raw.subarray(2 * MIB, 4 * MIB))).toBe(true);
  expect(swapped.bytes.subarray(2 * MIB).equals(raw.subarray(0, 2 * MIB))).toBe(true);
});

it("a table between two pieces of data is not written over, even by zeros", async () => {
  const disk = memoryDisk(Buffer.alloc(12_288, 7), "dzd", 4096);
  const table = Buffer.alloc(4096, 0xee);
  const list: Segment[] = [
    { at: 0, length: 4096, kind: "disk", offset: 0 },
    { at: 4096, length: 4096, kind: "meta", bytes: () => table },
    { at: 8192, length: 4096, kind: "disk", offset: 8192 },
  ];
  const { bytes } = await copied({ length: 12_288, segments: () => list }, disk, "table");
  expect(bytes.subarray(4096, 8192).equals(table)).toBe(true);
});

it("a source that is cut meanwhile, a full disk and a cancel end it", async () => {
  const path = scratch.raw("cut.raw", 4 * MIB, [[0, 4 * MIB]]);
  await using opened = await openInspection(path);
  const { disk } = opened;
  const plan = await planFor("raw", {}, disk);

  const full = openSync("/dev/full", "w");
  const sink: CopyPlanOptions["sink"] = {
    seekable: true,
    write: async () => undefined,
    hold: () => ({ fd: full, name: "/disks/web01.raw", release: () => closeSync(full) }),
    commit: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  await expect(copyPlan({ plan, disk, sink, fingerprint: true })).rejects.toMatchObject({
    code: "io.no-space",
    message: expect.stringContaining("/disks/web01.raw"),
  });

  truncateSync(path, 2 * MIB + 100);
  const target = scratch.path("never.raw");
  {
    await using file = await createFileSink(target);
    await expect(convertDisk({ disk, to: "raw", sink: file })).rejects.toMatchObject({ code: "io.short-read" });
  }
  {
    await using file = await createFileSink(target);
    const stop = { signal: AbortSignal.abort(new Error("enough")) };
    await expect(convertWithoutFingerprint({ disk, to: "raw", sink: file, ...stop })).rejects.toThrow("enough");
  }
  expect(() => readFileSync(target)).toThrow("ENOENT");
});

const PACKED: readonly [string, DiskFormatId, Record<string, unknown>][] = [
  ["qcow2 by zlib", "qcow2", { compression: "zlib" }],
  ["qcow2 by zlib, small clusters", "qcow2", { compression: "zlib", cluster_size: 512 }],
  ["qcow2 by zstd", "qcow2", { compression: "zstd" }],
  ["streamOptimized VMDK", "vmdk", { subformat: "streamOptimized" }],
];

describe.each(PACKED)("packed granules of a %s", (name, format, options) => {
  const packed = scratch.path(`packed ${name}.${format}`);
  const text = scratch.path(`text ${name}.raw`);
  // No granule at the disk's end is cut: those the disk reads itself.
  const content = Buffer.concat([
    Buffer.alloc(3 * MIB),
    Buffer.alloc(2 * MIB, "packed "),
    readFileSync(source),
  ]).subarray(0, 8 * MIB);
  const write = async (from: string, to: DiskFormatId, given: Record<string, unknown>, target: string) => {
    await using opened = await openInspection(from, from === text ? { from: "raw" } : {});
    await using sink = await createFileSink(target, { overwrite: true });
    return await convertDisk({ disk: opened.disk, to, options: given, sink });
  };

  it("are unpacked by the threads alone, whatever they are written to", async () => {
    writeFileSync(text, content);
    const { fingerprint } = await write(text, format, options, packed);
    await using opened = await openInspection(packed);
    const { disk } = opened;
    const unread: BlockSource = {
      size: disk.size,
      extents: (signal) => disk.extents(signal),
      locate: (offset, limit, signal) => disk.locate?.(offset, limit, signal) ?? { kind: "read", length: limit },
      read: () => Promise.reject(new Error("was read")),
      [Symbol.asyncDispose]: async () => undefined,
    };
    for (const [to, given] of [["raw", {}] as const, ...PACKED.map(([, ...rest]) => rest)]) {
      const target = scratch.path(`unpacked ${name}.${to}`);
      {
        await using sink = await createFileSink(target, { overwrite: true });
        expect((await convertDisk({ disk: unread, to, options: given, sink })).fingerprint).toBe(fingerprint);
      }
      await using back = await openInspection(target, to === "raw" ? { from: "raw" } : {});
      const bytes = Buffer.alloc(content.length);
      await back.disk.read(0, bytes);
      expect(bytes.equals(content)).toBe(true);
    }
  });

  it("that are damaged end it with the byte where they lie", async () => {
    await using opened = await openInspection(packed);
    const found = await opened.disk.locate?.(4 * MIB, 65_536);
    const at = found?.kind === "read" ? (found.packed?.parts[0]?.at ?? 0) : 0;
    expect(at).toBeGreaterThan(0);
    const image = readFileSync(packed);
    writeFileSync(packed, image.fill(0xff, at + 12, at + 40));
    for (const [to, given] of [["raw", {}] as const, ["qcow2", { compression: "zstd" }] as const]) {
      const target = scratch.path(`never ${name}.${to}`);
      await expect(write(packed, to, given, target)).rejects.toMatchObject({
        code: "image.corrupt",
        details: { offset: at },
      });
      expect(() => readFileSync(target)).toThrow("ENOENT");
    }
  });
});

it("the files of a pair are lent as others are; a target whose writes are watched is not", async () => {
  const path = scratch.path("pair.raw");
  await using files = await createFilePair(path);
  expect(lendsFile(files.main)).toBe(true);
  expect(lendsFile(await files.beside("pair-flat.raw"))).toBe(true);
  expect(lendsFile(slowWrites(files.main, 1))).toBe(false);
});
