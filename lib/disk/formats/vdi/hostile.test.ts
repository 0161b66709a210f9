/** VDIs that were cut, damaged or made to harm: each ends in an error that says what is wrong, or in honest bytes. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mutants, outcome } from "../../testing/hostile.ts";
import { Scratch } from "../../testing/scratch.ts";
import { AT } from "./layout.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let sound: Buffer;
beforeAll(() => {
  scratch.raw("disk.raw", 9 * MIB, [[3 * MIB, 300_000]]);
  scratch.qemuImg("convert", "-f", "raw", "-O", "vdi", "disk.raw", "disk.vdi");
  sound = readFileSync(scratch.path("disk.vdi"));
});

type Patch = (image: Buffer) => Buffer | undefined;
const put32 =
  (at: number, value: number): Patch =>
  (image) =>
    void image.writeUInt32LE(value, at) as undefined;
const mapEntry = (image: Buffer, block: number) => image.readUInt32LE(AT.mapOffset) + block * 4;

describe("a VDI that cannot be", () => {
  const cases: readonly (readonly [string, string, Patch])[] = [
    ["version 9", "image.header-insane", put32(AT.version, 0x0009_0001)],
    ["type 9", "image.header-insane", put32(AT.type, 9)],
    ["a difference without a name", "image.parent-missing", put32(AT.type, 4)],
    ["a parent that is not there", "image.parent-missing", put32(AT.uuidLinkage, 77)],
    [
      "a disk of 2^63 bytes",
      "image.header-insane",
      (i) => void i.writeBigUInt64LE(2n ** 63n, AT.diskSize) as undefined,
    ],
    [
      "a disk larger than its map",
      "image.header-insane",
      (i) => void i.writeBigUInt64LE(2n ** 40n, AT.diskSize) as undefined,
    ],
    [
      "a map of 16 GiB",
      "image.truncated",
      (i) => {
        i.writeBigUInt64LE(2n ** 51n, AT.diskSize);
        i.writeUInt32LE(0xffff_ffff, AT.blocks);
        return undefined;
      },
    ],
    ["blocks of 3 MiB", "image.header-insane", put32(AT.blockSize, 3 * MIB)],
    ["blocks of nothing", "image.header-insane", put32(AT.blockSize, 0)],
    ["blocks of 2 GiB", "image.header-insane", put32(AT.blockSize, 2 ** 31)],
    ["a map in the header", "image.overlap", put32(AT.mapOffset, 256)],
    ["a map beyond the file", "image.truncated", put32(AT.mapOffset, 0xffff_fff0)],
    ["a map between bytes", "image.header-insane", put32(AT.mapOffset, 1025)],
    ["data in the map", "image.overlap", put32(AT.dataOffset, 512)],
    ["a block beyond the file", "image.truncated", (i) => put32(mapEntry(i, 3), 4_000_000_000)(i)],
    ["the last block cut", "image.truncated", (i) => i.subarray(0, i.length - 4096)],
    ["a header cut", "image.truncated", (i) => i.subarray(0, 400)],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    const image = Buffer.from(sound);
    expect(await outcome("patched.vdi", patch(image) ?? image)).toBe(code);
  });
});

it("random damage never ends in a crash", async () => {
  const seen = new Set<string>();
  const ranges = [
    [64, 20],
    [AT.mapOffset, 120],
    [sound.readUInt32LE(AT.mapOffset), 48],
    [0, 1024],
  ] as const;
  for (const mutant of mutants(sound, ranges, 31, 200)) seen.add(await outcome("mutant.vdi", mutant));
  expect(seen.size).toBeGreaterThan(3);
});
