/** Whatever qemu-img writes, we read to the same bytes. */
import { afterAll, describe, expect, it } from "vitest";
import { fingerprintFile, openInspection } from "../file-conversion.ts";
import { fingerprintDisk } from "../fingerprint.ts";
import { expectSameDisk } from "../testing/same-disk.ts";
import { Scratch } from "../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const sparse = (size: number): [number, number][] =>
  [
    [0, 700],
    [65_536 * 3 - 5, 10],
    [5 * MIB + 100, 2 * MIB],
    [31 * MIB, 3 * MIB],
    [size - 513, 513],
  ].filter(([at, length]) => (at ?? 0) >= 0 && (at ?? 0) + (length ?? 0) <= size) as [number, number][];

const DISKS = [
  ["one sector", 512],
  ["just below a grain", 65_536 - 512],
  ["a grain", 65_536],
  ["a grain table and a sector", 32 * MIB + 512],
  ["an odd number of sectors", 77 * MIB + 3 * 512],
] as const;

const KINDS: readonly (readonly [string, string, string, string])[] = [
  ["vmdk", "subformat=monolithicSparse", "vmdk", "monolithicSparse"],
  ["vmdk", "subformat=monolithicSparse,zeroed_grain=on", "vmdk", "monolithicSparse"],
  ["vmdk", "subformat=monolithicSparse,compat6=on,adapter_type=lsilogic", "vmdk", "monolithicSparse"],
  ["vmdk", "subformat=monolithicFlat", "vmdk", "monolithicFlat"],
  ["vmdk", "subformat=twoGbMaxExtentSparse", "vmdk", "twoGbMaxExtentSparse"],
  ["vmdk", "subformat=twoGbMaxExtentFlat", "vmdk", "twoGbMaxExtentFlat"],
  ["vmdk", "subformat=streamOptimized", "vmdk", "streamOptimized"],
  ["vpc", "subformat=dynamic,force_size=on", "vhd", "dynamic"],
  ["vpc", "subformat=dynamic", "vhd", "dynamic"],
  ["vpc", "subformat=fixed,force_size=on", "vhd", "fixed"],
  ["vpc", "subformat=fixed", "vhd", "fixed"],
  ["vhdx", "subformat=dynamic", "vhdx", "dynamic"],
  ["vhdx", "subformat=dynamic,block_size=1048576", "vhdx", "dynamic"],
  ["vhdx", "subformat=dynamic,block_size=268435456,log_size=2097152", "vhdx", "dynamic"],
  ["vhdx", "subformat=dynamic,block_state_zero=off", "vhdx", "dynamic"],
  ["vhdx", "subformat=fixed", "vhdx", "fixed"],
  ["vdi", "static=off", "vdi", "dynamic"],
  ["vdi", "static=on", "vdi", "fixed"],
];

describe.each(DISKS)("a disk of %s", (_name, size) => {
  it.each(KINDS)("as %s with %s", async (driver, options, format, variant) => {
    const raw = scratch.raw("in.raw", size, sparse(size));
    scratch.qemuImg("convert", "-f", "raw", "-O", driver, "-o", options, "in.raw", "out.img");
    const facts = await expectSameDisk(scratch.path("out.img"), raw);
    expect(facts).toMatchObject({ format, variant });
    // Without force_size a VHD is rounded up to whole cylinders.
    if (driver === "vpc" && !options.includes("force_size")) expect(facts.virtualSize).toBeGreaterThanOrEqual(size);
    else expect(facts.virtualSize).toBe(size);
  });
});

describe("a disk in several files", () => {
  it.each(["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])("%s of 5 GiB", async (subformat) => {
    const size = 5 * 2 ** 30 + 512;
    const raw = scratch.raw("big.raw", size, [
      [2 ** 31 - 4096, 8192],
      [2 ** 32 - 100, 200],
      [size - 512, 512],
    ]);
    scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", `subformat=${subformat}`, "big.raw", "split.vmdk");
    await using opened = await openInspection(scratch.path("split.vmdk"));
    expect(opened.facts.files).toHaveLength(4);
    expect(opened.facts.virtualSize).toBe(size);
    expect(await fingerprintDisk(opened.disk)).toBe(await fingerprintFile(raw));
  });
});

describe("an image that was written to in place", () => {
  it.each(["vmdk", "vpc", "vhdx", "vdi"])("%s, out of order", async (driver) => {
    const size = 64 * MIB;
    scratch.qemuImg(
      "create",
      "-f",
      driver,
      ...(driver === "vpc" ? ["-o", "force_size=on"] : []),
      "live.img",
      String(size),
    );
    scratch.raw("live.raw", size, []);
    for (const name of ["live.img", "live.raw"]) {
      const format = name === "live.raw" ? "raw" : driver;
      const writes = [
        "write -P 1 40M 300k",
        "write -P 2 3M 64k",
        "write -P 3 41M 5M",
        "write -P 4 0 512",
        "write -z 42M 1M",
      ];
      scratch.qemuIo("-f", format, ...writes.flatMap((write) => ["-c", write]), name);
    }
    await expectSameDisk(scratch.path("live.img"), scratch.path("live.raw"));
  });
});
