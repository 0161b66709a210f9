/** Snapshot data of ESX that was cut, damaged or made to harm, opened through its descriptor. */
import { ftruncateSync, openSync, closeSync, writeSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { openInspection } from "../../file-conversion.ts";
import { esxDescriptor, type Grain, makeCowd, makeSeSparse } from "../../testing/esx-extents.ts";
import { outcome } from "../../testing/hostile.ts";
import { Scratch } from "../../testing/scratch.ts";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

/** 20 MiB: two tables of seSparse, ten of COWD. */
const SECTORS = 40_960;
type Patch = (image: Buffer) => Buffer | number | undefined;
const through = (type: string, image: Buffer, sectors = SECTORS) => {
  const text = esxDescriptor({ createType: "custom", cid: "1", extent: `RW ${sectors} ${type} "data.vmdk"` });
  return outcome("data.vmdk", image, { opens: "d.vmdk", beside: new Map([["d.vmdk", Buffer.from(text)]]) });
};
const patched = (sound: Buffer, patch: Patch) => {
  const image = Buffer.from(sound);
  const cut = patch(image);
  return cut instanceof Buffer ? cut : image;
};
const put32 = (at: number, value: number) => (image: Buffer) => image.writeUInt32LE(value, at);
const put64 = (at: number, value: bigint) => (image: Buffer) => image.writeBigUInt64LE(value, at);

describe("a vmfsSparse extent that cannot be", () => {
  const sound = makeCowd(
    SECTORS,
    new Map([
      [0, Buffer.alloc(512, 1)],
      [5000, Buffer.alloc(512, 2)],
    ]),
  );
  const directory = 2048;
  const table = sound.readUInt32LE(directory) * 512;
  const cases: readonly (readonly [string, string, Patch])[] = [
    ["nothing wrong", "read", () => undefined],
    ["version 7", "image.header-insane", put32(4, 7)],
    ["grains of no sectors", "image.header-insane", put32(16, 0)],
    ["grains of 3 sectors", "image.header-insane", put32(16, 3)],
    ["grains of 2 TiB", "image.header-insane", put32(16, 0x8000_0000)],
    ["a smaller disk than the descriptor's", "image.header-insane", put32(12, SECTORS - 1)],
    ["a disk of 2 TiB", "image.header-insane", put32(12, 0xffff_ffff)],
    [
      "a disk of 2 TiB and a directory for it",
      "image.truncated",
      (i) => (put32(12, 0xffff_ffff)(i), put32(24, 0xffff_ffff)(i)),
    ],
    ["no directory", "image.header-insane", put32(24, 0)],
    ["a directory in the header", "image.overlap", put32(20, 1)],
    ["a directory beyond the file", "image.truncated", put32(20, 0xffff_fff0)],
    ["a table in the header", "image.overlap", put32(directory, 1)],
    ["a table in the directory", "image.overlap", put32(directory, 4)],
    ["a table beyond the file", "image.truncated", put32(directory, 0xffff_0000)],
    ["a grain in the header", "image.overlap", put32(table, 3)],
    ["a grain in its own table", "image.overlap", put32(table, table / 512 + 1)],
    ["a grain beyond the file", "image.truncated", put32(table, 0xffff_ffff)],
    ["the header alone", "image.truncated", (i) => i.subarray(0, 2048)],
    ["100 bytes in all", "image.truncated", (i) => i.subarray(0, 100)],
    ["no bytes", "image.truncated", (i) => i.subarray(0, 0)],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    expect(await through("VMFSSPARSE", patched(sound, patch))).toBe(code);
  });
});

describe("an seSparse extent that cannot be", () => {
  const sound = makeSeSparse(
    SECTORS,
    new Map<number, Grain>([
      [0, Buffer.alloc(4096, 1)],
      [5000, "zero"],
      [9, "unmapped"],
    ]),
  );
  const directory = Number(sound.readBigUInt64LE(128)) * 512;
  const table = Number(sound.readBigUInt64LE(144)) * 512;
  const cases: readonly (readonly [string, string, Patch])[] = [
    ["nothing wrong", "read", () => undefined],
    ["another version", "image.header-insane", put64(8, 0x3_0000_0001n)],
    ["grains of 16 sectors", "image.header-insane", put64(24, 16n)],
    ["tables of 2^63 sectors", "image.header-insane", put64(32, 2n ** 63n)],
    ["unknown flags", "image.header-insane", put64(40, 1n)],
    ["a capacity of 2^63", "image.header-insane", put64(16, 2n ** 63n)],
    ["a capacity of 2^50", "image.header-insane", put64(16, 2n ** 50n)],
    ["a capacity of 62 TiB", "image.header-insane", put64(16, 62n * 2n ** 31n)],
    [
      "a capacity of 62 TiB and a directory for it",
      "image.truncated",
      (i) => (put64(16, 62n * 2n ** 31n)(i), put64(136, 2n ** 20n)(i)),
    ],
    ["a directory at 2^62", "image.header-insane", put64(128, 2n ** 62n)],
    ["a directory beyond the file", "image.truncated", put64(128, 2n ** 40n)],
    ["a directory in the header", "image.overlap", put64(128, 0n)],
    ["no volatile header", "image.header-insane", put64(512, 0n)],
    ["a volatile header beyond the file", "image.truncated", put64(80, 2n ** 40n)],
    ["a journal to replay", "image.vmdk-journal", put64(512 + 24, 1n)],
    ["a directory entry of another kind", "image.corrupt", put64(directory, 2n ** 61n)],
    ["a table beyond the tables", "image.header-insane", put64(directory, 0x1000_0000_0000_0007n)],
    ["tables beyond the file", "image.truncated", put64(144, 2n ** 30n)],
    ["a grain of an unknown kind", "image.corrupt", put64(table, 0x7000_0000_0000_0000n)],
    ["an empty grain that is none", "image.corrupt", put64(table, 5n)],
    ["a grain beyond the file", "image.truncated", put64(table, 0x3000_0000_0000_00ffn)],
    ["a grain beyond all files", "image.header-insane", put64(table, 0x3fff_ffff_ffff_ffffn)],
    ["grains that begin in the directory", "image.overlap", put64(192, BigInt(directory / 512))],
    ["grains that begin in their table", "image.overlap", put64(192, BigInt(table / 512))],
    ["the headers alone", "image.truncated", (i) => i.subarray(0, 1024)],
    ["the first header alone", "image.truncated", (i) => i.subarray(0, 512)],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    expect(await through("SESPARSE", patched(sound, patch))).toBe(code);
  });
});

it("a descriptor of 100 MB is refused before it is read", async () => {
  const fd = openSync(scratch.path("huge.vmdk"), "w");
  writeSync(fd, '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=2\nparentFileNameHint="huge.vmdk"\n');
  ftruncateSync(fd, 100_000_000);
  closeSync(fd);
  const before = process.memoryUsage().rss;
  await expect(openInspection(scratch.path("huge.vmdk"))).rejects.toMatchObject({ code: "image.header-insane" });
  expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
});

it("a folder of a thousand strangers is looked through once, for a disk that VirtualBox names by UUID", async () => {
  const strangers = new Map<string, Uint8Array>();
  for (let i = 0; i < 1000; i++)
    strangers.set(`s${i}.vmdk`, Buffer.from(esxDescriptor({ createType: "custom", cid: "1", extent: "RW 8 ZERO" })));
  const child = `${esxDescriptor({ createType: "custom", cid: "1", extent: "RW 8 ZERO" })}ddb.uuid.parent="11111111-2222-3333-4444-555555555555"\n`;
  expect(await outcome("child.vmdk", Buffer.from(child), { beside: strangers })).toBe("image.parent-missing");
});
