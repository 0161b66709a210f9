import { afterAll, expect, it } from "vitest";
import { fingerprintFile, openInspection } from "./file-conversion.ts";
import { openImageFile } from "./files/image-file.ts";
import { detectFormat, openImage } from "./registry.ts";
import { memoryBytes, memoryImage } from "./testing/memory.ts";
import { Scratch } from "./testing/scratch.ts";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

it.each([
  ["qcow2", "qcow2", []],
  ["vmdk", "vmdk", []],
  ["vmdk", "vmdk", ["-o", "subformat=streamOptimized"]],
  ["vmdk", "vmdk", ["-o", "subformat=monolithicFlat"]],
  ["vpc", "vhd", []],
  ["vpc", "vhd", ["-o", "subformat=fixed"]],
  ["vhdx", "vhdx", []],
  ["vdi", "vdi", []],
  ["raw", null, []],
] as const)("what qemu-img calls %s is %s by content", async (qemuName, expected, options) => {
  scratch.raw("in.raw", 4_194_304, [[100_000, 3000]]);
  scratch.qemuImg("convert", "-O", qemuName, ...options, "in.raw", "any.name");
  await using image = await openImageFile(scratch.path("any.name"));
  expect(await detectFormat(image)).toBe(expected);
});

it("bytes of no known format: named as raw they are raw, else somebody must say so", async () => {
  for (const name of ["disk.raw", "disk.img", "disk.bin"]) scratch.raw(name, 1_048_576, [[5, 5]]);
  await using byName = await openInspection(scratch.path("disk.img"));
  expect(byName.facts.format).toBe("raw");
  await expect(openInspection(scratch.path("disk.bin"))).rejects.toMatchObject({
    code: "image.unknown-format",
    hint: expect.stringContaining("raw"),
  });
  expect(await fingerprintFile(scratch.path("disk.bin"), { from: "raw" })).toMatch(/^sv1:[0-9a-f]{64}$/);
});

it("content wins over the name, a person's word must agree with it, and raw is always obeyed", async () => {
  scratch.qemuImg("create", "-f", "qcow2", "liar.raw", "3M");
  await using byContent = await openInspection(scratch.path("liar.raw"));
  expect(byContent.facts).toMatchObject({ format: "qcow2", virtualSize: 3_145_728 });
  await expect(openInspection(scratch.path("liar.raw"), { from: "vmdk" })).rejects.toMatchObject({
    code: "image.format-mismatch",
  });
  await using asRaw = await openInspection(scratch.path("liar.raw"), { from: "raw" });
  expect(asRaw.facts.virtualSize).toBeLessThan(3_145_728);
  await expect(openImage(memoryImage("x", memoryBytes(Buffer.alloc(0))), { from: "qcow2" })).rejects.toMatchObject({
    code: "image.format-mismatch",
  });
});

it("a raw file that ends inside a sector shows a whole one, with a note", async () => {
  scratch.raw("odd.raw", 1000, [[0, 1000]]);
  await using odd = await openInspection(scratch.path("odd.raw"));
  expect(odd.disk.size).toBe(1024);
  expect(odd.facts.notes.join()).toContain("no whole number of sectors");
  const tail = Buffer.alloc(24, 1);
  await odd.disk.read(1000, tail);
  expect(tail.every((byte) => byte === 0)).toBe(true);
});
