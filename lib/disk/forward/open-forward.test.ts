import { randomBytes } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { convertStream } from "../convert-stream.ts";
import { convertFile } from "../file-conversion.ts";
import { createFileSink } from "../files/file-sink.ts";
import { Scratch } from "../testing/scratch.ts";
import { openForwardBytes } from "./open-forward.ts";

const MIB = 1024 ** 2;
const SIZE = 90 * MIB + 512;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

beforeAll(() => {
  scratch.raw("disk.raw", SIZE, [
    [0, 300_000],
    [5 * MIB - 512, 3 * MIB],
    [80 * MIB + 4096, 66 * 1024],
    [SIZE - 512, 512],
  ]);
});

/** A pipe: chunks of odd sizes, in a buffer that is used again. */
async function* pipe(bytes: Buffer, chunk = 61_440): AsyncIterable<Uint8Array> {
  const buffer = Buffer.alloc(chunk);
  for (let at = 0; at < bytes.length; at += chunk) {
    const part = bytes.subarray(at, at + chunk);
    part.copy(buffer);
    yield buffer.subarray(0, part.length);
  }
}

let count = 0;
async function toRaw(bytes: Buffer, options: { from?: DiskFormatId; size?: number; spool?: boolean } = {}) {
  const folder = await mkdtemp(scratch.path("spool-"));
  const told: string[] = [];
  const place = { folder, name: "test" };
  await using stream = await openForwardBytes(options.from ?? null, pipe(bytes), {
    name: "piped",
    ...(options.size === undefined ? {} : { size: options.size }),
    ...(options.spool === true ? { spool: place, onSpool: (reason: string) => told.push(reason) } : {}),
  });
  const name = `out-${++count}.raw`;
  await using sink = await createFileSink(scratch.path(name), { durable: false });
  await convertStream({ stream, to: "raw", sink, spool: place });
  expect(await readdir(folder)).toEqual([]);
  scratch.qemuImg("compare", "-f", "raw", "-F", "raw", "disk.raw", name);
  return { stream, told };
}

describe("by qemu-img", () => {
  it.each([
    ["vmdk", "subformat=streamOptimized", "forward"],
    ["vmdk", "subformat=monolithicSparse", "forward"],
    ["vhdx", "subformat=dynamic", "forward"],
    ["vhdx", "subformat=fixed", "forward"],
    ["vpc", "subformat=dynamic,force_size=on", "forward"],
    ["vdi", "static=off", "forward"],
    ["qcow2", "compat=1.1", "forward"],
    ["qcow2", "cluster_size=4096", "forward"],
  ] as const)("%s %s is read front to back", async (driver, option, order) => {
    const name = `${++count}.${driver}`;
    scratch.qemuImg("convert", "-O", driver, "-f", "raw", "-o", option, "disk.raw", name);
    const { stream } = await toRaw(readFileSync(scratch.path(name)));
    expect(stream).toMatchObject({ order, image: null, spooled: null, size: SIZE });
  });

  it.each(["zlib", "zstd"])("a compressed qcow2 (%s)", async (type) => {
    scratch.qemuImg(
      "convert",
      "-c",
      "-O",
      "qcow2",
      "-f",
      "raw",
      "-o",
      `compression_type=${type}`,
      "disk.raw",
      `c.${type}`,
    );
    const { stream } = await toRaw(readFileSync(scratch.path(`c.${type}`)));
    expect(stream.image).toBeNull();
  });

  it("a streamOptimized VMDK whose end only its tables tell, and one of them without a grain", async () => {
    for (const [name, noise] of [
      ["noise", randomBytes(6 * MIB)],
      ["empty", Buffer.alloc(0)],
    ] as const) {
      writeFileSync(scratch.path(`${name}.raw`), noise);
      truncateSync(scratch.path(`${name}.raw`), 40 * MIB);
      const options = ["-O", "vmdk", "-o", "subformat=streamOptimized", "-f", "raw"];
      scratch.qemuImg("convert", ...options, `${name}.raw`, `${name}.vmdk`);
      const bytes = readFileSync(scratch.path(`${name}.vmdk`));
      await using stream = await openForwardBytes(null, pipe(bytes));
      await using sink = await createFileSink(scratch.path(`${name}.out`), { durable: false });
      await convertStream({ stream, to: "raw", sink });
      scratch.qemuImg("compare", "-f", "raw", "-F", "raw", `${name}.raw`, `${name}.out`);
      if (noise.length === 0) continue;
      await using cut = await openForwardBytes(null, pipe(bytes.subarray(0, bytes.length - 70_000)));
      await using half = await createFileSink(scratch.path(`${name}.half`), { durable: false });
      await expect(convertStream({ stream: cut, to: "raw", sink: half })).rejects.toMatchObject({
        code: "image.truncated",
      });
    }
  });

  it("blocks in another order than the disk's come in the file's order", async () => {
    scratch.qemuImg("create", "-f", "vdi", "back.vdi", String(SIZE));
    const disk = readFileSync(scratch.path("disk.raw"));
    for (const at of [80, 8, 7, 6, 5, 4, 0]) {
      writeFileSync(scratch.path("part"), disk.subarray(at * MIB, (at + 1) * MIB));
      scratch.qemuIo("-f", "vdi", "-c", `write -s part ${at * MIB} ${MIB}`, "back.vdi");
    }
    writeFileSync(scratch.path("part"), disk.subarray(SIZE - 512));
    scratch.qemuIo("-f", "vdi", "-c", `write -s part ${SIZE - 512} 512`, "back.vdi");
    const { stream } = await toRaw(readFileSync(scratch.path("back.vdi")));
    expect(stream).toMatchObject({ order: "unordered", image: null });
  });

  it.each([
    ["a fixed VHD tells what it is at its end", "vpc", "subformat=fixed,force_size=on", undefined],
    ["a raw disk of unknown size", "raw", "preallocation=off", "raw"],
  ] as const)("%s: it is kept, and that is told", async (_what, driver, option, from) => {
    const name = `${++count}.${driver}`;
    scratch.qemuImg("convert", "-O", driver, "-f", "raw", "-o", option, "disk.raw", name);
    const bytes = readFileSync(scratch.path(name));
    const said = from === undefined ? {} : { from };
    await expect(toRaw(bytes, said)).rejects.toMatchObject({ code: "stream.needs-spool" });
    const { stream, told } = await toRaw(bytes, { ...said, spool: true });
    expect(stream.image).not.toBeNull();
    expect(told).toEqual([stream.spooled]);
  });

  it("a dynamic VHD of more than is held in memory passes by, its bitmaps with it", async () => {
    const size = 200 * MIB;
    scratch.raw("large.raw", size, [
      [0, 90 * MIB],
      [150 * MIB + 512, 5000],
    ]);
    scratch.qemuImg(
      "convert",
      "-f",
      "raw",
      "-O",
      "vpc",
      "-o",
      "subformat=dynamic,force_size=on",
      "large.raw",
      "large.vhd",
    );
    const bytes = readFileSync(scratch.path("large.vhd"));
    await using stream = await openForwardBytes(null, pipe(bytes));
    expect(stream).toMatchObject({ order: "forward", image: null });
    await using sink = await createFileSink(scratch.path("large.out"), { durable: false });
    await convertStream({ stream, to: "raw", sink });
    scratch.qemuImg("compare", "-f", "raw", "-F", "raw", "large.raw", "large.out");
  });

  it("a qcow2 with tables behind its data is kept", async () => {
    // Two L2 tables, the second behind more data than is held in memory.
    const size = 1200 * MIB;
    scratch.qemuImg("create", "-f", "qcow2", "far.qcow2", String(size));
    scratch.qemuIo("-f", "qcow2", "-c", `write -P 7 0 ${70 * MIB}`, "-c", `write -P 9 ${600 * MIB} 65536`, "far.qcow2");
    const bytes = readFileSync(scratch.path("far.qcow2"));
    await expect(openForwardBytes(null, pipe(bytes))).rejects.toMatchObject({ code: "stream.needs-spool" });
    await using stream = await openForwardBytes("qcow2", pipe(bytes), { spool: { folder: scratch.folder, name: "q" } });
    expect(stream.spooled).toMatch(/front to back/);
    await using sink = await createFileSink(scratch.path("far.raw"), { durable: false });
    await convertStream({ stream, to: "raw", sink });
    scratch.qemuImg("compare", "-f", "qcow2", "-F", "raw", "far.qcow2", "far.raw");
  });
});

describe("our own files", () => {
  it.each([
    ["qcow2", {}],
    ["vmdk", {}],
    ["vmdk", { subformat: "streamOptimized" }],
    ["vhd", {}],
    ["vhdx", {}],
    ["vdi", {}],
  ] as const)("%s %j is read front to back", async (to, options) => {
    const target = scratch.path(`own-${++count}.${to}`);
    await convertFile({ source: scratch.path("disk.raw"), target, to, options, from: "raw" });
    const { stream } = await toRaw(readFileSync(target));
    expect(stream).toMatchObject({ image: null, spooled: null });
  });

  it("raw of a known size passes by", async () => {
    const { stream } = await toRaw(readFileSync(scratch.path("disk.raw")), { from: "raw", size: SIZE });
    expect(stream).toMatchObject({ order: "forward", image: null });
  });
});

describe("damage", () => {
  const cut = async (bytes: Buffer, from: DiskFormatId | null = null, size?: number) => {
    await using stream = await openForwardBytes(from, pipe(bytes), size === undefined ? {} : { size });
    for await (const piece of stream.pieces()) expect(piece.bytes.length).toBeGreaterThan(0);
  };

  it("a stream that ends early says where", async () => {
    for (const [to, options] of [
      ["vmdk", { subformat: "streamOptimized" }],
      ["vdi", {}],
      ["qcow2", {}],
    ] as const) {
      const target = scratch.path(`cut-${++count}.${to}`);
      await convertFile({ source: scratch.path("disk.raw"), target, to, options, from: "raw" });
      const bytes = readFileSync(target);
      await expect(cut(bytes.subarray(0, bytes.length - (to === "vdi" ? 2 * MIB : 70_000)))).rejects.toMatchObject({
        code: "image.truncated",
      });
    }
    await expect(cut(Buffer.alloc(1000), "raw", 2000)).rejects.toMatchObject({ code: "image.truncated" });
  });

  it("grains that go back, lie outside or do not unpack", async () => {
    const target = scratch.path("grains.vmdk");
    await convertFile({
      source: scratch.path("disk.raw"),
      target,
      to: "vmdk",
      options: { subformat: "streamOptimized" },
      from: "raw",
    });
    const sound = readFileSync(target);
    const first = 65_536;
    const second = first + Math.ceil((12 + sound.readUInt32LE(first + 8)) / 512) * 512;
    const damaged = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(sound);
      change(bytes);
      return cut(bytes);
    };
    for (const change of [
      (b: Buffer) => b.writeBigUInt64LE(0n, second),
      (b: Buffer) => b.writeBigUInt64LE(2n ** 40n, second),
      (b: Buffer) => b.writeBigUInt64LE(3n, second),
      (b: Buffer) => b.writeUInt32LE(900_000, second + 8),
      (b: Buffer) => b.fill(0xff, second + 12, second + 40),
    ]) {
      await expect(damaged(change)).rejects.toSatisfy(
        (error) =>
          error instanceof AppError && error.code === "image.corrupt" && Number(error.details?.["offset"]) >= second,
      );
    }
  });
});
