/** VHDs that were cut, damaged or made to harm: each ends in an error that says what is wrong, or in honest bytes. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mutants, outcome } from "../../testing/hostile.ts";
import { mendVhd as mend } from "../../testing/mend.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let dynamic: Buffer;
let fixed: Buffer;
beforeAll(() => {
  scratch.raw("disk.raw", 9 * MIB, [[3 * MIB, 300_000]]);
  for (const kind of ["dynamic", "fixed"]) {
    scratch.qemuImg(
      "convert",
      "-f",
      "raw",
      "-O",
      "vpc",
      "-o",
      `subformat=${kind},force_size=on`,
      "disk.raw",
      `${kind}.vhd`,
    );
  }
  dynamic = readFileSync(scratch.path("dynamic.vhd"));
  fixed = readFileSync(scratch.path("fixed.vhd"));
});

const HEADER = 512;
const TABLE = 1536;
type Patch = (image: Buffer) => Buffer | undefined;
const onFooter =
  (change: (footer: Buffer) => void): Patch =>
  (image) => {
    change(image.subarray(image.length - 512));
    change(image.subarray(0, 512));
    mend(image);
    return undefined;
  };
const onHeader =
  (change: (header: Buffer) => void): Patch =>
  (image) => {
    change(image.subarray(HEADER, HEADER + 1024));
    mend(image);
    return undefined;
  };

describe("a dynamic VHD that cannot be", () => {
  const cases: readonly (readonly [string, string, Patch])[] = [
    ["a disk of 2^63 bytes", "image.header-insane", onFooter((f) => void f.writeBigUInt64BE(2n ** 63n, 48))],
    ["a disk larger than its table", "image.header-insane", onFooter((f) => void f.writeBigUInt64BE(2n ** 40n, 48))],
    ["type 9", "image.header-insane", onFooter((f) => void f.writeUInt32BE(9, 60))],
    ["a difference without a name", "image.parent-missing", onFooter((f) => void f.writeUInt32BE(4, 60))],
    ["a header beyond the file", "image.truncated", onFooter((f) => void f.writeBigUInt64BE(2n ** 40n, 16))],
    ["a header that is not one", "image.header-insane", onFooter((f) => void f.writeBigUInt64BE(4096n, 16))],
    ["a table beyond the file", "image.truncated", onHeader((h) => void h.writeBigUInt64BE(2n ** 40n, 16))],
    ["a table in the header", "image.overlap", onHeader((h) => void h.writeBigUInt64BE(1024n, 16))],
    ["a table between bytes", "image.header-insane", onHeader((h) => void h.writeBigUInt64BE(1537n, 16))],
    ["blocks of 3 MiB", "image.header-insane", onHeader((h) => void h.writeUInt32BE(3 * MIB, 32))],
    ["blocks of nothing", "image.header-insane", onHeader((h) => void h.writeUInt32BE(0, 32))],
    ["blocks of 2 GiB", "image.header-insane", onHeader((h) => void h.writeUInt32BE(2 ** 31, 32))],
    ["a header with a wrong checksum", "image.header-insane", (i) => void i.writeUInt8(7, HEADER + 40) as undefined],
    ["a block in the table", "image.overlap", (i) => void i.writeUInt32BE(3, TABLE) as undefined],
    ["a block in the footer", "image.overlap", (i) => void i.writeUInt32BE(0, TABLE) as undefined],
    ["a block beyond the file", "image.truncated", (i) => void i.writeUInt32BE(0xffff_fffe, TABLE) as undefined],
    ["no sound footer", "image.header-insane", (i) => (i.fill(1, 20, 30), i.subarray(0, i.length - 512))],
    ["half of it", "image.truncated", (i) => i.subarray(0, MIB)],
    ["100 bytes in all", "image.truncated", (i) => i.subarray(0, 100)],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    const image = Buffer.from(dynamic);
    expect(await outcome("patched.vhd", patch(image) ?? image)).toBe(code);
  });

  it("a footer that is gone is replaced by its copy, and that is told", async () => {
    writeFileSync(scratch.path("cut.vhd"), dynamic.subarray(0, dynamic.length - 512));
    const facts = await expectSameDisk(scratch.path("cut.vhd"), scratch.path("disk.raw"));
    expect(facts.notes.join()).toContain("footer");
  });

  it("sectors that were never written read as zeros, whatever lies there", async () => {
    const image = Buffer.from(dynamic);
    const block = image.readUInt32BE(TABLE + 4) * 512;
    // Disk offset 3 MiB is sector 2048 of block 1: bits 2048 and 2049 of its bitmap.
    image.writeUInt8(0x3f, block + 2048 / 8);
    writeFileSync(scratch.path("bits.vhd"), image);
    const truth = readFileSync(scratch.path("disk.raw"));
    truth.fill(0, 3 * MIB, 3 * MIB + 1024);
    writeFileSync(scratch.path("bits.raw"), truth);
    await expectSameDisk(scratch.path("bits.vhd"), scratch.path("bits.raw"));
  });
});

describe("a fixed VHD", () => {
  it.each([
    ["of which the beginning is missing", "image.truncated", (i: Buffer) => i.subarray(MIB)],
    [
      "with a disk of 1 TiB",
      "image.truncated",
      (i: Buffer) => (i.writeBigUInt64BE(2n ** 40n, i.length - 512 + 48), mend(i), i),
    ],
    ["with a wrong checksum", "image.header-insane", (i: Buffer) => (i.writeUInt8(9, i.length - 100), i)],
  ] as const)("%s: %s", async (_name, code, patch) => {
    const image = Buffer.from(fixed);
    expect(await outcome("patched.vhd", patch(image))).toBe(code);
  });

  it("with the footer of 511 bytes that Virtual PC wrote", async () => {
    const image = Buffer.from(fixed);
    writeFileSync(scratch.path("old.vhd"), image.subarray(0, image.length - 1));
    await expectSameDisk(scratch.path("old.vhd"), scratch.path("disk.raw"));
  });
});

describe("damage at random", () => {
  it.each([
    ["plain", undefined, 21],
    ["with checksums that agree", mend, 22],
  ] as const)("%s never ends in a crash", async (_name, mending, seed) => {
    const seen = new Set<string>();
    const ranges = [
      [0, 84],
      [HEADER, 40],
      [TABLE, 40],
      [TABLE, 2048],
      [dynamic.length - 512, 84],
    ] as const;
    for (const mutant of mutants(dynamic, ranges, seed, 200, mending)) seen.add(await outcome("mutant.vhd", mutant));
    expect(seen.size).toBeGreaterThan(2);
  });
});
