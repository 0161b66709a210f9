/** VHDXs of native 4K disks, which qemu-img does not open: libvhdi does. */
import { readFileSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { convertFile } from "../../file-conversion.ts";
import { libvhdiMissing, readByLibvhdi } from "../../testing/libvhdi.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const missing = libvhdiMissing();
it.each([
  ["dynamic", 20 * MIB],
  ["dynamic", 20 * MIB + 512],
  ["fixed", 5 * MIB + 4096],
] as const)(`%s with sectors of 4,096 bytes, of %d bytes`, async (subformat, size) => {
  const source = scratch.raw("in.raw", size, [
    [MIB, 3 * MIB],
    [size - 512, 512],
  ]);
  const target = scratch.path("out.vhdx");
  const options = { subformat, logical_sector_size: "4096", block_size: MIB };
  await convertFile({ source, target, to: "vhdx", options, overwrite: true });
  const facts = await expectSameDisk(target, source);
  expect(facts).toMatchObject({ variant: subformat, details: { logicalSectorSize: 4096 } });
  expect(facts.virtualSize).toBe(Math.ceil(size / 4096) * 4096);
  if (missing !== null) return;
  const theirs = readFileSync(readByLibvhdi(scratch.folder, "theirs.raw", ["out.vhdx"]));
  expect(theirs.length).toBe(facts.virtualSize);
  expect(theirs.subarray(0, size).equals(readFileSync(source))).toBe(true);
});

it("takes no other sectors", async () => {
  const source = scratch.raw("in.raw", MIB, []);
  const options = { logical_sector_size: 1024 };
  await expect(convertFile({ source, target: scratch.path("no.vhdx"), to: "vhdx", options })).rejects.toMatchObject({
    code: "options.invalid",
  });
});
