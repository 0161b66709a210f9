/** What qemu-img writes, we read: the disk is the same byte for byte, and so is its fingerprint. */
import { appendFileSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it, describe } from "vitest";
import { fingerprintFile, openInspection } from "../../file-conversion.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1024 * 1024;
const scratch = new Scratch();
let rawBytes: Buffer;
let fingerprint: string;

beforeAll(async () => {
  scratch.raw("disk.raw", 24 * MIB + 512, [
    [0, 70_000],
    [3 * MIB + 100, 4 * MIB],
    [15 * MIB, 5000],
    [24 * MIB, 512],
  ]);
  rawBytes = readFileSync(scratch.path("disk.raw"));
  fingerprint = await fingerprintFile(scratch.path("disk.raw"));
});
afterAll(() => scratch[Symbol.dispose]());

/** Reads the whole disk in pieces that fit no cluster, and each extent as it is told. */
async function expectSameDisk(path: string, expected: Buffer): Promise<void> {
  await using opened = await openInspection(path);
  expect(opened.disk.size).toBe(expected.length);
  const piece = 333_333;
  for (let at = 0; at < expected.length; at += piece) {
    const into = Buffer.alloc(Math.min(piece, expected.length - at), 0xaa);
    await opened.disk.read(at, into);
    expect(into.equals(expected.subarray(at, at + into.length)), `bytes from ${at}`).toBe(true);
  }
  let next = 0;
  let last = "";
  for await (const extent of opened.disk.extents()) {
    expect(extent.offset).toBe(next);
    expect(extent.kind).not.toBe(last);
    next += extent.length;
    last = extent.kind;
    if (extent.kind === "zero") expect(expected.subarray(extent.offset, next).every((byte) => byte === 0)).toBe(true);
  }
  expect(next).toBe(expected.length);
}

describe("images of qemu-img", () => {
  const variants: readonly (readonly [string, readonly string[]])[] = [
    ["compat 0.10", ["-o", "compat=0.10"]],
    ["clusters of 512 bytes", ["-o", "cluster_size=512"]],
    ["clusters of 4 KiB", ["-o", "cluster_size=4k"]],
    ["clusters of 64 KiB", []],
    ["clusters of 2 MiB", ["-o", "cluster_size=2M"]],
    ["zlib", ["-c"]],
    ["zlib, clusters of 512 bytes", ["-c", "-o", "cluster_size=512"]],
    ["zlib, clusters of 2 MiB", ["-c", "-o", "cluster_size=2M"]],
    ["zlib, compat 0.10", ["-c", "-o", "compat=0.10"]],
    ["zstd", ["-c", "-o", "compression_type=zstd"]],
    ["zstd, clusters of 4 KiB", ["-c", "-o", "compression_type=zstd,cluster_size=4k"]],
    ["extended L2", ["-o", "extended_l2=on"]],
    ["extended L2, compressed", ["-c", "-o", "extended_l2=on,cluster_size=32k"]],
    ["reference counts of one bit", ["-o", "refcount_bits=1"]],
    ["metadata preallocated", ["-o", "preallocation=metadata"]],
    ["data file", ["-o", "data_file=disk.data"]],
    ["raw data file", ["-o", "data_file=disk.data,data_file_raw=on"]],
  ];
  it.each(variants)("%s", async (_name, args) => {
    scratch.qemuImg("convert", "-O", "qcow2", ...args, "disk.raw", "disk.qcow2");
    await expectSameDisk(scratch.path("disk.qcow2"), rawBytes);
    expect(await fingerprintFile(scratch.path("disk.qcow2"))).toBe(fingerprint);
  });

  it("partly written subclusters, zeroed ones and those of the backing file", async () => {
    const io = (...commands: string[]) =>
      scratch.qemuImg("bench", "-f", "qcow2", "-c", "1", "-w", "-d", "1", ...commands, "over.qcow2");
    scratch.qemuImg(
      "create",
      "-f",
      "qcow2",
      "-o",
      "extended_l2=on,cluster_size=128k",
      "-b",
      "disk.raw",
      "-F",
      "raw",
      "over.qcow2",
    );
    io("-o", "4096", "-s", "4096", "--pattern", "17");
    io("-o", String(3 * MIB + 65_536), "-s", "8192", "--pattern", "34");
    scratch.qemuImg("convert", "-O", "raw", "over.qcow2", "over.raw");
    const expected = readFileSync(scratch.path("over.raw"));
    expect(expected.equals(rawBytes)).toBe(false);
    await expectSameDisk(scratch.path("over.qcow2"), expected);
  });

  it("a chain of three, the lowest shorter", async () => {
    scratch.raw("low.raw", 5 * MIB, [[MIB, 2 * MIB]]);
    scratch.qemuImg("create", "-f", "qcow2", "-o", "compat=0.10", "-b", "low.raw", "-F", "raw", "middle.qcow2", "9M");
    scratch.qemuImg(
      "bench",
      "-f",
      "qcow2",
      "-c",
      "1",
      "-w",
      "-d",
      "1",
      "-o",
      "6M",
      "-s",
      "64k",
      "--pattern",
      "9",
      "middle.qcow2",
    );
    scratch.qemuImg("create", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "top.qcow2", "12M");
    scratch.qemuImg(
      "bench",
      "-f",
      "qcow2",
      "-c",
      "1",
      "-w",
      "-d",
      "1",
      "-o",
      "1M",
      "-s",
      "64k",
      "--pattern",
      "7",
      "top.qcow2",
    );
    scratch.qemuImg("convert", "-O", "raw", "top.qcow2", "top.raw");
    await expectSameDisk(scratch.path("top.qcow2"), readFileSync(scratch.path("top.raw")));
    await using opened = await openInspection(scratch.path("top.qcow2"));
    expect(opened.facts.files).toEqual(["top.qcow2", "middle.qcow2", "low.raw"]);
    expect(opened.facts.parents).toEqual(["middle.qcow2", "low.raw"]);
  });

  it("internal snapshots are passed over with a note", async () => {
    scratch.qemuImg("convert", "-O", "qcow2", "disk.raw", "snap.qcow2");
    scratch.qemuImg("snapshot", "-c", "before", "snap.qcow2");
    scratch.qemuImg(
      "bench",
      "-f",
      "qcow2",
      "-c",
      "1",
      "-w",
      "-d",
      "1",
      "-o",
      "0",
      "-s",
      "64k",
      "--pattern",
      "9",
      "snap.qcow2",
    );
    scratch.qemuImg("convert", "-O", "raw", "snap.qcow2", "snap.raw");
    await expectSameDisk(scratch.path("snap.qcow2"), readFileSync(scratch.path("snap.raw")));
    await using opened = await openInspection(scratch.path("snap.qcow2"));
    expect(opened.facts.notes.join()).toContain("internal snapshot");
  });

  it("one that QEMU died upon: refused until it is accepted or repaired, as a backing file too", async () => {
    scratch.qemuImg("create", "-f", "qcow2", "-o", "lazy_refcounts=on", "died.qcow2", "8M");
    // abort leaves the file as a crash does.
    expect(() =>
      scratch.qemuIo("-f", "qcow2", "-c", "write -P 5 1M 128k", "-c", "flush", "-c", "abort", "died.qcow2"),
    ).toThrow();
    scratch.qemuImg("create", "-f", "qcow2", "-b", "died.qcow2", "-F", "qcow2", "above.qcow2");
    const expected = Buffer.alloc(8 * MIB);
    expected.fill(5, MIB, MIB + 131_072);
    for (const name of ["died.qcow2", "above.qcow2"]) {
      await expect(openInspection(scratch.path(name))).rejects.toMatchObject({
        code: "image.dirty",
        details: { file: "died.qcow2" },
      });
      await using opened = await openInspection(scratch.path(name), { acceptDirty: true });
      const bytes = Buffer.alloc(opened.disk.size);
      await opened.disk.read(0, bytes);
      expect(bytes.equals(expected)).toBe(true);
      expect(opened.facts.notes.join()).toContain("died.qcow2 was not closed cleanly");
    }
    scratch.qemuImg("check", "-r", "all", "died.qcow2");
    await expectSameDisk(scratch.path("died.qcow2"), expected);
  });

  it("a tail beyond the last cluster changes nothing", async () => {
    scratch.qemuImg("convert", "-O", "qcow2", "disk.raw", "long.qcow2");
    appendFileSync(scratch.path("long.qcow2"), Buffer.alloc(100_001, 5));
    expect(await fingerprintFile(scratch.path("long.qcow2"))).toBe(fingerprint);
  });

  it.each([0, 512, 1536, 65_536, 65_537 * 512])("a disk of %d bytes", async (size) => {
    scratch.raw("odd.raw", size, size === 0 ? [] : [[size - 512, 512]]);
    scratch.qemuImg("convert", "-O", "qcow2", "odd.raw", "odd.qcow2");
    await expectSameDisk(scratch.path("odd.qcow2"), readFileSync(scratch.path("odd.raw")));
  });

  it("62 TB of nothing: opened and fingerprinted without walking through it", async () => {
    scratch.qemuImg("create", "-f", "qcow2", "huge.qcow2", "62T");
    const before = process.memoryUsage().rss;
    const huge = await fingerprintFile(scratch.path("huge.qcow2"));
    scratch.qemuImg("create", "-f", "raw", "huge.raw", "15T");
    scratch.qemuImg("create", "-f", "qcow2", "-o", "cluster_size=2M", "huge2.qcow2", "62T");
    expect(await fingerprintFile(scratch.path("huge2.qcow2"))).toBe(huge);
    expect(await fingerprintFile(scratch.path("huge.raw"))).not.toBe(huge);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
  });
});
