/** VHDXs that were cut, damaged or made to harm: each ends in an error that says what is wrong, or in honest bytes. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mutants, outcome } from "../../testing/hostile.ts";
import { mendVhdx as mend } from "../../testing/mend.ts";
import { Scratch } from "../../testing/scratch.ts";

const KIB = 1024;
const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let sound: Buffer;
let bat = 0;
let metadata = 0;
beforeAll(() => {
  scratch.raw("disk.raw", 9 * MIB, [[3 * MIB, 300_000]]);
  scratch.qemuImg("convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1048576", "disk.raw", "disk.vhdx");
  sound = readFileSync(scratch.path("disk.vhdx"));
  // qemu writes the block table first and the metadata second.
  bat = Number(sound.readBigUInt64LE(192 * KIB + 16 + 16));
  metadata = Number(sound.readBigUInt64LE(192 * KIB + 48 + 16));
});

type Patch = (image: Buffer) => Buffer | undefined;
const onHeaders =
  (change: (header: Buffer) => void): Patch =>
  (image) => {
    for (const at of [64 * KIB, 128 * KIB]) change(image.subarray(at, at + 4096));
    mend(image);
    return undefined;
  };
const onRegions =
  (change: (table: Buffer) => void): Patch =>
  (image) => {
    for (const at of [192 * KIB, 256 * KIB]) change(image.subarray(at, at + 64 * KIB));
    mend(image);
    return undefined;
  };
/** Items in the order of qemu: file parameters, disk size, disk id, logical sector, physical sector. */
const item = (image: Buffer, index: number) => metadata + image.readUInt32LE(metadata + 32 + index * 32 + 16);
const onItem =
  (index: number, change: (image: Buffer, at: number) => void): Patch =>
  (image) => {
    change(image, item(image, index));
    return undefined;
  };
const entry =
  (block: number, value: bigint): Patch =>
  (image) => {
    image.writeBigUInt64LE(value, bat + block * 8);
    return undefined;
  };
const at = (offset: number, state = 6n) => BigInt(offset / MIB) * 2n ** 20n + state;

describe("a VHDX that cannot be", () => {
  const cases: readonly (readonly [string, string, Patch])[] = [
    [
      "no sound header",
      "image.header-insane",
      (i) => (i.fill(1, 64 * KIB, 65 * KIB), i.fill(1, 128 * KIB, 129 * KIB), undefined),
    ],
    ["version 2", "image.header-insane", onHeaders((h) => void h.writeUInt16LE(2, 66))],
    ["a log between MiB", "image.header-insane", onHeaders((h) => void h.writeBigUInt64LE(12_345n, 72))],
    ["a used log without entries", "image.corrupt", onHeaders((h) => void h.writeUInt8(1, 48))],
    [
      "a used log of 4 GiB",
      "image.vhdx-log-dirty",
      onHeaders((h) => (h.writeUInt8(1, 48), void h.writeUInt32LE(4095 * MIB, 68))),
    ],
    ["no sound region table", "image.header-insane", (i) => (i.fill(1, 192 * KIB, 320 * KIB), undefined)],
    ["2^32 regions", "image.header-insane", onRegions((t) => void t.writeUInt32LE(0xffff_ffff, 8))],
    ["no regions", "image.header-insane", onRegions((t) => void t.writeUInt32LE(0, 8))],
    [
      "an unknown region that is required",
      "image.vhdx-unknown-feature",
      onRegions((t) => (t.writeUInt8(9, 16), void t.writeUInt32LE(1, 44))),
    ],
    ["a block table beyond the file", "image.truncated", onRegions((t) => void t.writeBigUInt64LE(2n ** 40n, 32))],
    ["a block table at 2^63", "image.header-insane", onRegions((t) => void t.writeBigUInt64LE(2n ** 63n, 32))],
    ["a block table in the headers", "image.overlap", onRegions((t) => void t.writeBigUInt64LE(0n, 32))],
    ["a block table in the metadata", "image.overlap", onRegions((t) => void t.writeBigUInt64LE(BigInt(metadata), 32))],
    ["a block table of 4 GiB", "image.truncated", onRegions((t) => void t.writeUInt32LE(4095 * MIB, 40))],
    ["a metadata table that is none", "image.header-insane", (i) => (i.fill(0, metadata, metadata + 8), undefined)],
    ["65,535 metadata items", "image.header-insane", (i) => void i.writeUInt16LE(0xffff, metadata + 10) as undefined],
    [
      "a metadata item beyond its region",
      "image.header-insane",
      (i) => void i.writeUInt32LE(0xffff_fff0, metadata + 48) as undefined,
    ],
    ["blocks of 3 MiB", "image.header-insane", onItem(0, (i, p) => i.writeUInt32LE(3 * MIB, p))],
    ["blocks of nothing", "image.header-insane", onItem(0, (i, p) => i.writeUInt32LE(0, p))],
    ["blocks of 2 GiB", "image.header-insane", onItem(0, (i, p) => i.writeUInt32LE(2 ** 31, p))],
    ["a difference without a parent's name", "image.header-insane", onItem(0, (i, p) => i.writeUInt32LE(2, p + 4))],
    ["a disk of 2^63 bytes", "image.header-insane", onItem(1, (i, p) => i.writeBigUInt64LE(2n ** 63n, p))],
    ["a disk of 65 TiB", "image.header-insane", onItem(1, (i, p) => i.writeBigUInt64LE(65n * 2n ** 40n, p))],
    ["a disk larger than its table", "image.header-insane", onItem(1, (i, p) => i.writeBigUInt64LE(2n ** 40n, p))],
    [
      "a disk of half sectors",
      "image.header-insane",
      onItem(1, (i, p) => i.writeBigUInt64LE(9n * 2n ** 20n - 256n, p)),
    ],
    ["sectors of 8 bytes", "image.header-insane", onItem(3, (i, p) => i.writeUInt32LE(8, p))],
    ["a block beyond the file", "image.truncated", entry(3, at(2 ** 40))],
    ["a block at the end of all numbers", "image.truncated", entry(3, 2n ** 64n - 2n ** 20n + 6n)],
    ["a block in the headers", "image.overlap", entry(3, at(0))],
    ["a block in the log", "image.overlap", entry(3, at(MIB))],
    ["a block in an unknown state", "image.header-insane", entry(3, at(8 * MIB, 5n))],
    ["a block that leans on a parent", "image.header-insane", entry(3, at(8 * MIB, 7n))],
    ["the last block cut", "image.truncated", (i) => i.subarray(0, i.length - 4096)],
    ["the headers alone", "image.truncated", (i) => i.subarray(0, 200 * KIB)],
    ["100 bytes in all", "image.truncated", (i) => i.subarray(0, 100)],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    const image = Buffer.from(sound);
    expect(await outcome("patched.vhdx", patch(image) ?? image)).toBe(code);
  });

  it("one header or region table of the two is enough", async () => {
    for (const at of [64 * KIB, 128 * KIB, 192 * KIB, 256 * KIB]) {
      const image = Buffer.from(sound);
      image.fill(0xee, at, at + 4096);
      expect(await outcome("half.vhdx", image)).toBe("read");
    }
  });
});

describe("damage at random", () => {
  it.each([
    ["plain", undefined, 41],
    ["with checksums that agree", mend, 42],
  ] as const)("%s never ends in a crash", async (_name, mending, seed) => {
    const seen = new Set<string>();
    const ranges = [
      [64 * KIB, 80],
      [128 * KIB, 80],
      [192 * KIB, 80],
      [metadata, 200],
      [metadata + 64 * KIB, 64],
      [bat, 96],
    ] as const;
    for (const mutant of mutants(sound, ranges, seed, 200, mending)) seen.add(await outcome("mutant.vhdx", mutant));
    expect(seen.size).toBeGreaterThan(2);
  });
});
