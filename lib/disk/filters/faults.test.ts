import { createReadStream } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { convertDisk } from "../convert.ts";
import { convertStream } from "../convert-stream.ts";
import { convertFile } from "../file-conversion.ts";
import { createFileSink } from "../files/file-sink.ts";
import { openImageFile } from "../files/image-file.ts";
import { openForwardBytes } from "../forward/open-forward.ts";
import type { ImageFile } from "../io.ts";
import { openImage } from "../registry.ts";
import { Scratch } from "../testing/scratch.ts";
import { disconnectBytes, disconnectReads, disconnectStream } from "./disconnect.ts";
import { failReadsAt, failWritesAfter } from "./fail-at.ts";
import { slowReads } from "./rate-limit.ts";
import { shortReads } from "./short-read.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const SOURCES = ["disk.qcow2", "stream.vmdk", "disk.vhdx", "disk.vdi"] as const;
const TARGETS: readonly (readonly [DiskFormatId, Record<string, unknown>])[] = [
  ["raw", {}],
  ["qcow2", {}],
  ["vmdk", {}],
  ["vmdk", { subformat: "streamOptimized" }],
  ["vhd", {}],
  ["vhdx", { subformat: "fixed" }],
  ["vdi", {}],
];

beforeAll(() => {
  scratch.raw("disk.raw", 12 * MIB, [
    [0, 300_000],
    [5 * MIB + 512, 3 * MIB],
  ]);
  const make = (name: string, driver: string, ...options: string[]) =>
    scratch.qemuImg("convert", "-f", "raw", "-O", driver, ...options, "disk.raw", name);
  make("disk.qcow2", "qcow2");
  make("stream.vmdk", "vmdk", "-o", "subformat=streamOptimized");
  make("disk.vhdx", "vhdx", "-o", "block_size=1048576");
  make("disk.vdi", "vdi");
});

const broke = () => new AppError("unavailable", "test.broke", "It broke.");
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
let count = 0;

/** Runs `work` into an empty folder. It may end well, or in a typed error with nothing left. */
async function expectClean(work: (target: string, folder: string) => Promise<unknown>): Promise<boolean> {
  const folder = scratch.path(`fault-${++count}`);
  await mkdir(folder);
  try {
    await work(`${folder}/out`, folder);
    expect(await readdir(folder)).toEqual(["out"]);
    return true;
  } catch (error) {
    const cancelled = error instanceof Error && error.name === "AbortError";
    if (!cancelled && !(error instanceof AppError)) throw error;
    if (error instanceof AppError) expect(error.kind).not.toBe("internal");
    expect(await readdir(folder)).toEqual([]);
    return false;
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Damage = "fail-at" | "short-read" | "disconnect" | "full";

async function damaged(name: string, kind: Damage, where: number): Promise<ImageFile & AsyncDisposable> {
  const image = await openImageFile(scratch.path(name));
  const at = Math.floor(where * image.bytes.size);
  const bytes =
    kind === "fail-at"
      ? failReadsAt(image.bytes, at, broke())
      : kind === "short-read"
        ? shortReads(image.bytes, at)
        : kind === "disconnect"
          ? disconnectReads(image.bytes, Math.floor(where * 4 * MIB), broke())
          : image.bytes;
  return { ...image, bytes, [Symbol.asyncDispose]: () => image[Symbol.asyncDispose]() };
}

it("any fault of any file at any point: a typed error, nothing under the final name, nothing left behind", async () => {
  let failed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SOURCES),
      fc.constantFrom(...TARGETS),
      fc.constantFrom<Damage>("fail-at", "short-read", "disconnect", "full"),
      share,
      async (source, [to, options], kind, where) => {
        const well = await expectClean(async (target) => {
          await using image = await damaged(source, kind, where);
          await using opened = await openImage(image);
          await using file = await createFileSink(target, { durable: false });
          const sink = kind === "full" ? failWritesAfter(file, Math.floor(where * 4 * MIB), broke()) : file;
          await convertDisk({ disk: opened.disk, to, options, sink });
        });
        if (!well) failed++;
      },
    ),
    { numRuns: 60 },
  );
  expect(failed).toBeGreaterThan(20);
}, 60_000);

it("the same of what passes by: cut bytes, cut disks, full targets", async () => {
  let failed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SOURCES),
      fc.constantFrom(...TARGETS),
      fc.constantFrom("bytes", "end", "disk", "full"),
      share,
      async (source, [to, options], kind, where) => {
        const { size } = await stat(scratch.path(source));
        const at = Math.floor(where * size);
        const well = await expectClean(async (target, folder) => {
          const all = createReadStream(scratch.path(source), kind === "end" && at > 0 ? { end: at - 1 } : {});
          const bytes = kind === "bytes" ? disconnectBytes(all, at, broke()) : all;
          const spool = { folder, name: "test" };
          await using opened = await openForwardBytes(null, bytes, { spool });
          const stream = kind === "disk" ? disconnectStream(opened, Math.floor(where * 3 * MIB), broke()) : opened;
          await using file = await createFileSink(target, { durable: false });
          const sink = kind === "full" ? failWritesAfter(file, Math.floor(where * 3 * MIB), broke()) : file;
          await convertStream({ stream, to, options, sink, spool });
        });
        if (!well) failed++;
      },
    ),
    { numRuns: 40 },
  );
  expect(failed).toBeGreaterThan(12);
}, 60_000);

it("a slow source is waited for, and left within two seconds when nobody waits any more", async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new AppError("cancelled", "cancelled", "Cancelled.")), 300);
  const started = Date.now();
  const well = await expectClean(async (target) => {
    await using image = await openImageFile(scratch.path("disk.vdi"));
    await using opened = await openImage(image);
    await using sink = await createFileSink(target);
    await convertDisk({ disk: slowReads(opened.disk, 500_000), to: "qcow2", sink, signal: controller.signal });
  });
  expect(well).toBe(false);
  expect(Date.now() - started).toBeLessThan(2300);
});

it("packed sources that break off leave nothing either", async () => {
  await expectClean((target) =>
    convertFile({
      source: "pipe",
      input: disconnectBytes(createReadStream(scratch.path("stream.vmdk")), 200_000, broke()),
      target,
      to: "raw",
      options: {},
    }),
  );
});
