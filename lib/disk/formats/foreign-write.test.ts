/** Whatever we write, qemu-img finds without fault and equal to the source, and we read back. */
import { readFileSync, statSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { convertFile } from "../file-conversion.ts";
import { expectSameDisk } from "../testing/same-disk.ts";
import { Scratch } from "../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

type Kind = readonly [DiskFormatId, Record<string, unknown>];
const KINDS: readonly Kind[] = [
  ["vmdk", {}],
  ["vmdk", { subformat: "streamOptimized", adapter_type: "ide", hwversion: "7", cid: "00c0ffee" }],
  ["vmdk", { subformat: "streamOptimized", compression_level: 1 }],
  ["vmdk", { subformat: "monolithicFlat", thin: "on" }],
  ["vhd", {}],
  ["vhd", { subformat: "fixed" }],
  ["vhdx", {}],
  ["vhdx", { block_size: MIB }],
  ["vhdx", { block_size: "33554432" }],
  ["vhdx", { block_size: 268_435_456 }],
  ["vhdx", { subformat: "fixed" }],
  ["vdi", {}],
  ["vdi", { static: "on" }],
  ["vdi", { subformat: "fixed" }],
];
const DRIVER = { raw: "raw", qcow2: "qcow2", vmdk: "vmdk", vhd: "vpc", vhdx: "vhdx", vdi: "vdi" } as const;

async function write(raw: string, [to, options]: Kind): Promise<string> {
  const target = scratch.path(`out.${to}`);
  await convertFile({ source: raw, target, to, options, overwrite: true });
  // qemu-img has no check for VHD, nor for flat VMDKs, where there is nothing to check.
  if (to !== "vhd" && options.subformat !== "monolithicFlat") scratch.qemuImg("check", "-f", DRIVER[to], `out.${to}`);
  scratch.qemuImg("compare", "-f", "raw", "-F", DRIVER[to], raw, `out.${to}`);
  return target;
}

function qemuSize(to: DiskFormatId): number {
  const info: unknown = JSON.parse(scratch.qemuImg("info", "--output=json", "-f", DRIVER[to], `out.${to}`));
  return (info as { "virtual-size": number })["virtual-size"];
}

describe.each(KINDS)("%s with %j", (to, options) => {
  const LAYOUTS: readonly (readonly [string, number, readonly (readonly [number, number])[]])[] = [
    ["one sector", 512, [[0, 512]]],
    ["a sector more than a block", 2 * MIB + 512, [[2 * MIB, 512]]],
    ["nothing", 10 * MIB, []],
    ["data everywhere", 9 * MIB, [[0, 9 * MIB]]],
    [
      "data here and there",
      131 * MIB + 5 * 512,
      [
        [0, 100],
        [3 * MIB - 3, 7],
        [31 * MIB + 65_000, 3 * MIB],
        [64 * MIB, 2 * MIB],
        [131 * MIB + 2500, 60],
      ],
    ],
  ];
  it.each(LAYOUTS)("%s", async (_name, size, data) => {
    const raw = scratch.raw("in.raw", size, data);
    const target = await write(raw, [to, options]);
    expect(qemuSize(to)).toBe(size);
    const facts = await expectSameDisk(target, raw);
    expect(facts).toMatchObject({ format: to, virtualSize: size, notes: [] });
  });

  it("a size that is no whole number of sectors is rounded up", async () => {
    const raw = scratch.raw("odd.raw", 3 * MIB + 100, [[3 * MIB, 100]]);
    const target = await write(raw, [to, options]);
    expect(qemuSize(to)).toBe(3 * MIB + 512);
    await expectSameDisk(target, raw);
  });
});

describe("large disks with little data", () => {
  const TIB = 2 ** 40;
  const CASES: readonly (readonly [DiskFormatId, Record<string, unknown>, number, number])[] = [
    ["vmdk", {}, 2 * TIB - 2 ** 30, 6 * MIB],
    ["vmdk", { subformat: "streamOptimized" }, 15 * TIB, 8 * MIB],
    ["vhd", {}, 2040 * 2 ** 30, 12 * MIB],
    ["vhdx", {}, 15 * TIB, 80 * MIB],
    ["vdi", {}, 15 * TIB, 70 * MIB],
  ];
  it.each(CASES)("%s with %j of %d bytes", async (to, options, size, most) => {
    const raw = scratch.raw("huge.raw", size, [
      [0, 5000],
      [size / 2 - 70_000, 140_000],
      [size - 512, 512],
    ]);
    const target = scratch.path(`out.${to}`);
    const before = process.memoryUsage().rss;
    const done = await convertFile({ source: raw, target, to, options, overwrite: true });
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
    expect(statSync(target).blocks * 512).toBeLessThan(most);
    expect(qemuSize(to)).toBe(size);
    const back = await convertFile({
      source: target,
      target: scratch.path("back.raw"),
      to: "raw",
      options: {},
      overwrite: true,
    });
    expect(back.fingerprint).toBe(done.fingerprint);
  });

  it.each([
    ["vmdk", {}, 2 * TIB + 512],
    ["vhd", {}, 2040 * 2 ** 30 + 512],
    ["vhd", { subformat: "fixed" }, 2040 * 2 ** 30 + 512],
  ] as const)("%s with %j refuses %d bytes", async (to, options, size) => {
    const raw = scratch.raw("wide.raw", size, []);
    await expect(convertFile({ source: raw, target: scratch.path("wide"), to, options })).rejects.toMatchObject({
      code: "image.too-large-for-format",
      details: { size },
    });
  });
});

it("every format into every other and back", async () => {
  const raw = scratch.raw("round.raw", 20 * MIB + 512, [
    [MIB, 3 * MIB],
    [20 * MIB, 512],
  ]);
  let source = raw;
  for (const [i, [to, options]] of KINDS.entries()) {
    const target = scratch.path(`round-${i}.${to}`);
    await convertFile({ source, target, to, options });
    source = target;
  }
  await convertFile({ source, target: scratch.path("back.raw"), to: "raw", options: {}, overwrite: true });
  expect(readFileSync(scratch.path("back.raw")).equals(readFileSync(raw))).toBe(true);
});
