/** Differencing VHDs and the sizes that different programs mean. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openInspection } from "../../file-conversion.ts";
import { libvhdiMissing, readByLibvhdi } from "../../testing/libvhdi.ts";
import { mendVhd } from "../../testing/mend.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";
import { makeVhdDifference, type VhdDifference, vhdUniqueId } from "../../testing/vhd-difference.ts";

const MIB = 1_048_576;
const SIZE = 20 * MIB + 512;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const write = (name: string, bytes: Buffer) => (writeFileSync(scratch.path(name), bytes), bytes);
const idOf = (name: string) => vhdUniqueId(readFileSync(scratch.path(name)));
const difference = (name: string, parent: string, more: Partial<VhdDifference> = {}) =>
  write(
    name,
    makeVhdDifference({
      size: SIZE,
      parentId: idOf(parent),
      parentName: parent,
      locators: { W2ru: `.\\${parent}`, W2ku: `C:\\VMs\\${parent}` },
      sectors: new Map(),
      ...more,
    }),
  );
const outcome = (name: string) =>
  openInspection(scratch.path(name)).then(
    async (opened) => opened[Symbol.asyncDispose]().then(() => "opened"),
    (error: unknown) => (error as { code?: string }).code,
  );

let truth: Buffer;
const middle = new Map<number, Buffer>();
const top = new Map<number, Buffer>();
beforeAll(() => {
  const raw = scratch.raw("base.raw", SIZE, [
    [0, 3 * MIB],
    [SIZE - 4096, 4096],
  ]);
  for (const kind of ["dynamic", "fixed"]) {
    const options = `subformat=${kind},force_size=on`;
    scratch.qemuImg("convert", "-f", "raw", "-O", "vpc", "-o", options, "base.raw", `base-${kind}.vhd`);
  }
  truth = readFileSync(raw);
  for (const sector of [0, 7, 8, 9, 4095, 4096, 8191, 12_000]) middle.set(sector, randomBytes(512));
  for (const sector of [1, 8, 4096, 30_000, SIZE / 512 - 1]) top.set(sector, randomBytes(512));
  // Zeros that were written hide what the parent has.
  top.set(2, Buffer.alloc(512));
  for (const layer of [middle, top]) for (const [sector, bytes] of layer) bytes.copy(truth, sector * 512);
  writeFileSync(scratch.path("truth.raw"), truth);
});

describe("a differencing chain", () => {
  it.each(["dynamic", "fixed"])("on a %s disk", async (kind) => {
    difference("middle.avhd", `base-${kind}.vhd`, { sectors: middle });
    difference("top.avhd", "middle.avhd", { sectors: top });
    const facts = await expectSameDisk(scratch.path("top.avhd"), scratch.path("truth.raw"));
    expect(facts).toMatchObject({
      variant: "differencing",
      virtualSize: SIZE,
      parents: ["middle.avhd", `base-${kind}.vhd`],
      files: ["top.avhd", "middle.avhd", `base-${kind}.vhd`],
      details: { parentUniqueId: idOf("middle.avhd").toString("hex") },
    });
  });

  const missing = libvhdiMissing();
  it.skipIf(missing !== null)(`reads as libvhdi reads it${missing === null ? "" : ` (${missing})`}`, async () => {
    // Eight sectors at a time: this libvhdi takes what follows a set bit for set to the end of the bitmap's byte.
    const whole = Buffer.from(readFileSync(scratch.path("base.raw")));
    const pieces = (...firsts: readonly number[]) =>
      new Map(firsts.flatMap((first) => Array.from({ length: 8 }, (_, i) => [first + i, randomBytes(512)] as const)));
    const lower = pieces(0, 16, 4088, 4096, 12_000);
    const upper = pieces(8, 16, 30_000);
    for (const layer of [lower, upper]) for (const [sector, bytes] of layer) bytes.copy(whole, sector * 512);
    difference("lower.avhd", "base-dynamic.vhd", { sectors: lower, blockBytes: 524_288 });
    difference("upper.avhd", "lower.avhd", { sectors: upper });
    const theirs = readByLibvhdi(scratch.folder, "theirs.raw", ["upper.avhd", "lower.avhd", "base-dynamic.vhd"]);
    expect(readFileSync(theirs).equals(whole)).toBe(true);
    await expectSameDisk(scratch.path("upper.avhd"), theirs);
  });

  it.each([
    ["a relative path of Windows", { W2ru: "..\\parents\\base-fixed.vhd" }, ""],
    ["an absolute path of Windows", { W2ku: "\\\\server\\share\\base-fixed.vhd" }, ""],
    ["the URL of XenServer", { MacX: "file://./base%2Dfixed.vhd" }, ""],
    ["other capitals", { W2ru: ".\\BASE-Fixed.VHD" }, ""],
    ["its name alone", {}, "base-fixed.vhd"],
  ])("finds the parent by %s", async (_name, locators, parentName) => {
    difference("child.vhd", "base-fixed.vhd", { locators: locators as Record<string, string>, parentName });
    await using opened = await openInspection(scratch.path("child.vhd"));
    expect(opened.facts.parents).toEqual(["base-fixed.vhd"]);
  });
});

describe("a chain that cannot be", () => {
  it.each([
    ["no name at all", { locators: {}, parentName: "" }, "image.parent-missing"],
    ["a parent that is not there", { locators: { W2ru: ".\\gone.vhd" } }, "image.parent-missing"],
    ["a path out of the folder", { locators: { W2ru: "..\\..\\outside\\x.vhd" } }, "image.parent-missing"],
    ["a path of Unix", { locators: { MacX: "file:///etc/passwd" } }, "image.parent-missing"],
    ["another disk of that name", { parentId: Buffer.alloc(16, 9) }, "image.parent-mismatch"],
    ["itself", { locators: { W2ru: ".\\child.vhd" } }, "image.chain-loop"],
  ] as const)("%s", async (_name, more, code) => {
    mkdirSync(scratch.path("outside"), { recursive: true });
    writeFileSync(scratch.path("outside/x.vhd"), readFileSync(scratch.path("base-fixed.vhd")));
    difference("child.vhd", "base-fixed.vhd", { parentName: "", ...(more as Partial<VhdDifference>) });
    expect(await outcome("child.vhd")).toBe(code);
  });

  it.each([
    ["a locator beyond the file", (i: Buffer) => i.writeBigUInt64BE(2n ** 40n, 512 + 576 + 16), "image.truncated"],
    ["a locator at 2^63", (i: Buffer) => i.writeBigUInt64BE(2n ** 63n, 512 + 576 + 16), "image.header-insane"],
    ["a locator of 4 GiB", (i: Buffer) => i.writeUInt32BE(0xffff_ffff, 512 + 576 + 8), "image.header-insane"],
  ] as const)("%s", async (_name, change, code) => {
    const image = difference("child.vhd", "base-fixed.vhd");
    change(image);
    mendVhd(image);
    write("child.vhd", image);
    expect(await outcome("child.vhd")).toBe(code);
  });

  it("200 deep", async () => {
    write("d0.vhd", readFileSync(scratch.path("base-fixed.vhd")));
    for (let i = 1; i < 80; i++) difference(`d${i}.vhd`, `d${i - 1}.vhd`);
    expect(await outcome("d79.vhd")).toBe("image.chain-too-deep");
    expect(await outcome("d40.vhd")).toBe("opened");
  });
});

describe("the size of a disk", () => {
  const fixed = (creator: string, size: number, chs: readonly [number, number, number], tail = 0) => {
    const image = Buffer.alloc(size + 512);
    image.fill(tail, size - 512, size);
    readFileSync(scratch.path("base-fixed.vhd")).copy(image, size, SIZE, SIZE + 512);
    const f = image.subarray(size);
    f.write(creator, 28, "latin1");
    f.writeBigUInt64BE(BigInt(size), 48);
    f.writeUInt16BE(chs[0], 56);
    f.writeUInt8(chs[1], 58);
    f.writeUInt8(chs[2], 59);
    mendVhd(image);
    write("sized.vhd", image);
  };
  const cylinders = 17 * 4 * 512;
  const whole = 60 * cylinders;
  const size = whole + 20 * 512;
  const sizeOf = async () => {
    await using opened = await openInspection(scratch.path("sized.vhd"));
    return [opened.disk.size, opened.facts.notes.length];
  };

  it.each(["win ", "vbox", "d2v ", "tap\0", "CTXS", "qem2", "wa  ", "xo  "])(
    "is the footer's for %j",
    async (creator) => {
      fixed(creator, size, [60, 4, 17]);
      expect(await sizeOf()).toEqual([size, 0]);
    },
  );

  it.each(["vpc ", "vs  "])("is the geometry's for %j, as qemu-img has it", async (creator) => {
    fixed(creator, size, [60, 4, 17]);
    const info: unknown = JSON.parse(scratch.qemuImg("info", "--output=json", "-f", "vpc", "sized.vhd"));
    expect(info).toMatchObject({ "virtual-size": whole });
    expect(await sizeOf()).toEqual([whole, 1]);
  });

  it("never cuts data off", async () => {
    fixed("vpc ", size, [60, 4, 17], 7);
    expect(await sizeOf()).toEqual([size, 1]);
  });

  it("is not the geometry's where that is another disk's", async () => {
    fixed("vpc ", size, [10, 4, 17]);
    expect(await sizeOf()).toEqual([size, 0]);
    fixed("vpc ", size, [0, 0, 0]);
    expect(await sizeOf()).toEqual([size, 0]);
    fixed("vpc ", size, [65_535, 16, 255]);
    expect(await sizeOf()).toEqual([size, 0]);
  });
});
