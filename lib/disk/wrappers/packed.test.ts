import { execFileSync } from "node:child_process";
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { convertFile, fingerprintFile, openInspection } from "../file-conversion.ts";
import { memoryBytes, memoryImage } from "../testing/memory.ts";
import { Scratch } from "../testing/scratch.ts";
import { unpackFile } from "./open-packed.ts";
import type { Packing } from "./packing.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: scratch.folder, stdio: "pipe" });

let fingerprint = "";
beforeAll(async () => {
  scratch.raw("disk.img", 20 * MIB, [
    [0, 200_000],
    [7 * MIB, 2 * MIB],
    [20 * MIB - 512, 512],
  ]);
  scratch.qemuImg("convert", "-f", "raw", "-O", "qcow2", "disk.img", "disk.qcow2");
  scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", "disk.img", "disk.vmdk");
  scratch.qemuImg("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", "disk.img", "fixed.vhd");
  fingerprint = await fingerprintFile(scratch.path("disk.img"));
  for (const name of ["disk.img", "disk.qcow2", "disk.vmdk", "fixed.vhd"]) {
    run("gzip", "-1", "-k", name);
    run("xz", "-0", "-k", name);
    run("zstd", "-q", "-1", name);
    run("zip", "-q", "-1", `${name}.zip`, name);
  }
});

let count = 0;
async function convert(source: string, to: DiskFormatId, more: { from?: DiskFormatId; disk?: string | number } = {}) {
  const folder = await mkdtemp(scratch.path("out-"));
  const target = `${folder}/${++count}.${to}`;
  const outcome = await convertFile({ source: scratch.path(source), target, to, options: {}, ...more });
  expect(outcome.fingerprint).toBe(fingerprint);
  expect(await readdir(folder)).toEqual([`${count}.${to}`]);
  scratch.qemuImg("compare", "-f", "raw", "-F", to === "vhd" ? "vpc" : to, "disk.img", target);
  return outcome;
}

describe.each(["gz", "xz", "zst", "zip"])("made by the program itself: .%s", (ending) => {
  it("a qcow2 and a VMDK inside pass by", async () => {
    expect((await convert(`disk.qcow2.${ending}`, "vmdk")).spooled).toBeNull();
    expect((await convert(`disk.vmdk.${ending}`, "qcow2")).spooled).toBeNull();
  });

  it("a raw disk is raw because somebody says so", async () => {
    await convert(`disk.img.${ending}`, "qcow2", { from: "raw" });
    await convert(`disk.img.${ending}`, "qcow2");
  });

  it("a fixed VHD is kept meanwhile; looking into any needs random access", async () => {
    expect((await convert(`fixed.vhd.${ending}`, "vdi")).spooled).toMatch(/front to back/);
    await using opened = await openInspection(scratch.path(`disk.qcow2.${ending}`));
    expect(opened.facts.format).toBe("qcow2");
    expect(await fingerprintFile(scratch.path(`disk.vmdk.${ending}`))).toBe(fingerprint);
  });

  it("cut and damaged: an error that tells the byte, and nothing is left", async () => {
    const bytes = readFileSync(scratch.path(`disk.qcow2.${ending}`));
    const folder = await mkdtemp(scratch.path("bad-"));
    const tried = async (changed: Buffer) => {
      writeFileSync(scratch.path("bad.bin"), changed);
      const target = `${folder}/x.raw`;
      return convertFile({ source: scratch.path("bad.bin"), target, to: "raw", options: {} }).then(
        () => null,
        (error: unknown) => error,
      );
    };
    const flipped = Buffer.from(bytes);
    flipped[Math.floor(bytes.length / 2)] = 255 - (flipped[Math.floor(bytes.length / 2)] ?? 0);
    for (const error of [await tried(bytes.subarray(0, bytes.length - 100)), await tried(flipped)]) {
      expect(error).toBeInstanceOf(AppError);
      expect((error as AppError).code).toMatch(/^image\./);
      expect((error as AppError).details?.["offset"]).toEqual(expect.any(Number));
    }
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("the ways that packers write", () => {
  async function unpacked(packing: Packing, bytes: Buffer): Promise<Buffer> {
    const file = await unpackFile(memoryImage("packed", memoryBytes(bytes)), packing);
    const parts: Uint8Array[] = [];
    for await (const part of file.bytes) parts.push(Buffer.from(part));
    return Buffer.concat(parts);
  }
  const text = (length: number) => Buffer.alloc(length, "some bytes of a disk, ");

  it("several members, frames and streams are one file; zstd's skippable frames are skipped", async () => {
    const both = Buffer.concat([text(100_000), text(70_001)]);
    expect(await unpacked("gzip", Buffer.concat([gzipSync(text(100_000)), gzipSync(text(70_001))]))).toEqual(both);
    for (const [name, length] of [["a", 100_000] as const, ["b", 70_001] as const]) {
      writeFileSync(scratch.path(name), text(length));
      run("xz", "-k", "-f", name);
      run("zstd", "-q", "-f", name);
    }
    const read = (name: string) => readFileSync(scratch.path(name));
    expect(await unpacked("xz", Buffer.concat([read("a.xz"), read("b.xz")]))).toEqual(both);
    const skippable = Buffer.from("502a4d1803000000414243", "hex");
    expect(await unpacked("zstd", Buffer.concat([skippable, read("a.zst"), skippable, read("b.zst")]))).toEqual(both);
    for (const packing of ["xz", "zstd"] as const) {
      const file = read(packing === "xz" ? "a.xz" : "a.zst");
      await expect(unpacked(packing, file.subarray(0, -3))).rejects.toMatchObject({ code: "image.truncated" });
    }
    await expect(unpacked("zstd", Buffer.concat([read("a.zst"), Buffer.from("rest")]))).rejects.toMatchObject({
      code: "image.corrupt",
    });
  });

  it("xz in every check and in blocks", async () => {
    writeFileSync(scratch.path("c"), text(3_000_000));
    for (const args of [["--check=none"], ["--check=crc32"], ["--block-size=500KiB", "-T2"], ["-9"]]) {
      run("xz", "-k", "-f", ...args, "c");
      expect(await unpacked("xz", readFileSync(scratch.path("c.xz"))), args[0] ?? "").toEqual(text(3_000_000));
    }
    for (const options of ["--lzma2=dict=512MiB", "--check=sha256"]) {
      run("xz", "-k", "-f", options, "c");
      await expect(unpacked("xz", readFileSync(scratch.path("c.xz")))).rejects.toMatchObject({
        code: "image.unsupported-feature",
        hint: expect.stringContaining("xz -d"),
      });
    }
  });

  it("a zip of several files asks which; streamed, stored and zip64 entries are read", async () => {
    run("zip", "-q", "two.zip", "disk.qcow2", "disk.img");
    await expect(convert("two.zip", "raw")).rejects.toMatchObject({ code: "image.disk-unsaid" });
    await convert("two.zip", "raw", { disk: "disk.qcow2" });
    await convert("two.zip", "raw", { disk: 2, from: "raw" });
    run("zip", "-q", "-0", "stored.zip", "disk.qcow2");
    await convert("stored.zip", "raw");
    // From a pipe, zip writes zip64 fields and lengths behind the data.
    run("sh", "-c", "cat disk.qcow2 | zip -q -fz- piped.zip - && cat disk.qcow2 | zip -q -fz piped64.zip -");
    await convert("piped.zip", "raw");
    await convert("piped64.zip", "raw");
    run("zip", "-q", "-P", "secret", "locked.zip", "disk.qcow2");
    await expect(convert("locked.zip", "raw")).rejects.toMatchObject({ code: "image.encrypted" });
  });

  it("one packing in another is read, a third is not", async () => {
    run("zip", "-q", "one.zip", "disk.qcow2.gz");
    await convert("one.zip", "vdi");
    run("gzip", "-k", "disk.qcow2.xz");
    await convert("disk.qcow2.xz.gz", "raw");
    run("zip", "-q", "three.zip", "disk.qcow2.xz.gz");
    await expect(convert("three.zip", "raw")).rejects.toMatchObject({ code: "image.packed-too-deep" });
  });
});

it("a file that unfolds without end is refused, in little memory and no room", async () => {
  // A zstd frame of run-length blocks: 4 bytes that say 128 KiB of ones, six hundred times.
  const block = Buffer.alloc(4, 1);
  block.writeUIntLE(131_072 * 8 + 2, 0, 3);
  const last = Buffer.from(block);
  last.writeUIntLE(131_072 * 8 + 3, 0, 3);
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]);
  writeFileSync(scratch.path("bomb.img.zst"), Buffer.concat([head, ...Array.from({ length: 600 }, () => block), last]));
  const target = scratch.path("bomb.raw");
  await expect(
    convertFile({ source: scratch.path("bomb.img.zst"), target, to: "raw", options: {}, from: "raw" }),
  ).rejects.toMatchObject({ code: "image.unfolds-too-far" });
});

describe("pipes", () => {
  it.each(["disk.vmdk", "disk.qcow2.gz", "disk.qcow2.xz", "disk.vmdk.zst", "disk.qcow2.zip", "fixed.vhd"])(
    "%s",
    async (name) => {
      const target = scratch.path(`pipe-${++count}.qcow2`);
      const outcome = await convertFile({
        source: "-",
        input: createReadStream(scratch.path(name)),
        target,
        to: "qcow2",
        options: {},
      });
      expect(outcome.fingerprint).toBe(fingerprint);
      scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", "disk.img", target);
    },
  );
});

it("writes .zst of any format, and zstd reads it", async () => {
  for (const to of ["raw", "qcow2", "vhdx"] as const) {
    const target = scratch.path(`w.${to}.zst`);
    await convertFile({ source: scratch.path("disk.img"), target, to, options: {}, compress: "zst", from: "raw" });
    run("zstd", "-q", "-d", "-f", `w.${to}.zst`, "-o", `w.${to}`);
    scratch.qemuImg("compare", "-f", "raw", "-F", to, "disk.img", `w.${to}`);
    await convert(`w.${to}.zst`, "vdi", to === "raw" ? { from: "raw" } : {});
  }
});
