/** Differencing VHDXs, down to single sectors of half-written blocks. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertFile, openInspection } from "../../file-conversion.ts";
import { libvhdiMissing, readByLibvhdi } from "../../testing/libvhdi.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";
import { makeVhdxDifference, type VhdxDifference, vhdxLinkage } from "../../testing/vhdx-difference.ts";

const MIB = 1_048_576;
const SIZE = 20 * MIB + 512;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let empty: Buffer;
let truth: Buffer;
beforeAll(async () => {
  const data: [number, number][] = [
    [0, 6 * MIB],
    [SIZE - 4096, 4096],
  ];
  const raw = scratch.raw("base.raw", SIZE, data);
  truth = readFileSync(raw);
  scratch.raw("empty.raw", SIZE, []);
  for (const [source, target] of [
    ["base.raw", "base.vhdx"],
    ["empty.raw", "empty.vhdx"],
  ] as const) {
    const options = { block_size: MIB };
    await convertFile({ source: scratch.path(source), target: scratch.path(target), to: "vhdx", options });
  }
  scratch.qemuImg("convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=fixed", "base.raw", "qemu-base.vhdx");
  empty = readFileSync(scratch.path("empty.vhdx"));
});

const difference = (name: string, parent: string, more: Partial<VhdxDifference> = {}) => {
  const locator = {
    parent_linkage: vhdxLinkage(readFileSync(scratch.path(parent))),
    relative_path: `.\\${parent}`,
    absolute_win32_path: `\\\\?\\C:\\VMs\\${parent}`,
  };
  const image = makeVhdxDifference(empty, { locator, ...more });
  writeFileSync(scratch.path(name), image);
  return image;
};
const outcome = (name: string) =>
  openInspection(scratch.path(name)).then(
    async (opened) => opened[Symbol.asyncDispose]().then(() => "opened"),
    (error: unknown) => (error as { code?: string }).code,
  );
const sectorsAt = (...sectors: readonly number[]) => new Map(sectors.map((sector) => [sector, randomBytes(512)]));
const over = (base: Buffer, layer: Partial<VhdxDifference>) => {
  const disk = Buffer.from(base);
  for (const [block, bytes] of layer.blocks ?? []) disk.set(bytes.subarray(0, SIZE - block * MIB), block * MIB);
  for (const block of layer.states?.keys() ?? []) disk.fill(0, block * MIB, (block + 1) * MIB);
  for (const [sector, bytes] of layer.sectors ?? []) disk.set(bytes, sector * 512);
  return disk;
};

describe("a differencing chain", () => {
  it.each(["base.vhdx", "qemu-base.vhdx"])("of three on %s", async (base) => {
    const lower = {
      sectors: sectorsAt(0, 1, 7, 8, 9, 2047, 2048, 4095, 30_000, SIZE / 512 - 1),
      blocks: new Map([[3, randomBytes(MIB)]]),
      states: new Map([
        [4, 1],
        [5, 2],
      ]),
    };
    const upper = {
      sectors: sectorsAt(1, 6145, 6147),
      states: new Map([[15, 3]]),
      blocks: new Map([[20, randomBytes(MIB)]]),
    };
    difference("lower.avhdx", base, lower);
    difference("upper.avhdx", "lower.avhdx", upper);
    writeFileSync(scratch.path("truth.raw"), over(over(truth, lower), upper));
    const facts = await expectSameDisk(scratch.path("upper.avhdx"), scratch.path("truth.raw"));
    expect(facts).toMatchObject({
      variant: "differencing",
      virtualSize: SIZE,
      parents: ["lower.avhdx", base],
      files: ["upper.avhdx", "lower.avhdx", base],
    });
  });

  const missing = libvhdiMissing();
  it.skipIf(missing !== null)(`reads as libvhdi reads it${missing === null ? "" : ` (${missing})`}`, async () => {
    // Eight sectors at a time: this libvhdi takes what follows a set bit for set to the end of the bitmap's byte.
    const pieces = (...firsts: readonly number[]) =>
      sectorsAt(...firsts.flatMap((first) => Array.from({ length: 8 }, (_, i) => first + i)));
    const lower = { sectors: pieces(0, 16, 2040, 2048, 30_000), blocks: new Map([[3, randomBytes(MIB)]]) };
    const upper = { sectors: pieces(8, 16, 6144) };
    difference("lower.avhdx", "base.vhdx", lower);
    difference("upper.avhdx", "lower.avhdx", upper);
    const theirs = readByLibvhdi(scratch.folder, "theirs.raw", ["upper.avhdx", "lower.avhdx", "base.vhdx"]);
    expect(readFileSync(theirs).equals(over(over(truth, lower), upper))).toBe(true);
    await expectSameDisk(scratch.path("upper.avhdx"), theirs);
  });

  it("while it is being merged: the second linkage counts as well", async () => {
    const linkage = vhdxLinkage(readFileSync(scratch.path("base.vhdx"))).toUpperCase();
    const other = "{00000000-1111-2222-3333-444444444444}";
    difference("child.vhdx", "base.vhdx", {
      locator: { parent_linkage: other, parent_linkage2: linkage, volume_path: "\\\\?\\Volume{1}\\x\\BASE.vhdx" },
    });
    expect(await outcome("child.vhdx")).toBe("opened");
  });
});

describe("a chain that cannot be", () => {
  const guid = "{00000000-1111-2222-3333-444444444444}";
  const linkage = () => vhdxLinkage(readFileSync(scratch.path("base.vhdx")));
  it.each([
    ["no path", () => ({ parent_linkage: linkage() }), "image.parent-missing"],
    ["no identity", () => ({ relative_path: "base.vhdx" }), "image.header-insane"],
    [
      "a parent that is not there",
      () => ({ parent_linkage: linkage(), relative_path: "gone.vhdx" }),
      "image.parent-missing",
    ],
    [
      "a path out of the folder",
      () => ({ parent_linkage: linkage(), relative_path: "..\\outside\\x.vhdx" }),
      "image.parent-missing",
    ],
    ["an absolute path", () => ({ parent_linkage: linkage(), relative_path: "/etc/passwd" }), "image.parent-missing"],
    [
      "a parent in another state",
      () => ({ parent_linkage: guid, relative_path: "base.vhdx" }),
      "image.parent-mismatch",
    ],
    ["itself", () => ({ parent_linkage: linkage(), relative_path: "child.vhdx" }), "image.chain-loop"],
  ] as const)("%s", async (_name, locator, code) => {
    mkdirSync(scratch.path("outside"), { recursive: true });
    writeFileSync(scratch.path("outside/x.vhdx"), readFileSync(scratch.path("base.vhdx")));
    difference("child.vhdx", "base.vhdx", { locator: locator() });
    expect(await outcome("child.vhdx")).toBe(code);
  });

  const region = (image: Buffer, index: number) => Number(image.readBigUInt64LE(192 * 1024 + 16 + index * 32 + 16));
  const itemAt = (image: Buffer) => region(image, 1) + 128 * 1024;
  const entryAt = (image: Buffer) => region(image, 1) + 32 + 5 * 32;
  const bitmapEntry = (image: Buffer) => region(image, 0) + 4096 * 8;
  it.each([
    ["a locator of another kind", "image.vhdx-unknown-parent", (i: Buffer) => i.writeUInt8(1, itemAt(i))],
    ["65,535 entries", "image.header-insane", (i: Buffer) => i.writeUInt16LE(0xffff, itemAt(i) + 18)],
    ["an entry beyond the locator", "image.header-insane", (i: Buffer) => i.writeUInt32LE(0xffff_fff0, itemAt(i) + 20)],
    [
      "a locator beyond its region",
      "image.header-insane",
      (i: Buffer) => i.writeUInt32LE(0xffff_0000, entryAt(i) + 16),
    ],
    ["a locator of 19 bytes", "image.header-insane", (i: Buffer) => i.writeUInt32LE(19, entryAt(i) + 20)],
    ["no sector bitmap", "image.header-insane", (i: Buffer) => i.writeBigUInt64LE(0n, bitmapEntry(i))],
    ["a bitmap beyond the file", "image.truncated", (i: Buffer) => i.writeBigUInt64LE(2n ** 60n + 6n, bitmapEntry(i))],
    ["a bitmap in the headers", "image.overlap", (i: Buffer) => i.writeBigUInt64LE(6n, bitmapEntry(i))],
  ] as const)("%s", async (_name, code, change) => {
    const image = difference("child.vhdx", "base.vhdx", { sectors: sectorsAt(7) });
    change(image);
    writeFileSync(scratch.path("child.vhdx"), image);
    const found = openInspection(scratch.path("child.vhdx")).then(async (opened) => {
      await using disk = opened;
      await disk.disk.read(0, Buffer.alloc(65_536));
    });
    await expect(found).rejects.toMatchObject({ code, kind: "unprocessable" });
  });

  it("80 deep", async () => {
    for (let i = 0; i < 66; i++) difference(`deep-${i}.vhdx`, i === 0 ? "base.vhdx" : `deep-${i - 1}.vhdx`);
    expect(await outcome("deep-65.vhdx")).toBe("image.chain-too-deep");
    expect(await outcome("deep-20.vhdx")).toBe("opened");
  });
});
