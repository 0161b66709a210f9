import { linkSync, mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { afterAll, beforeEach, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { convertFile, fingerprintFile, type FileConversion } from "../file-conversion.ts";
import { expectSameDisk } from "../testing/same-disk.ts";
import { Scratch } from "../testing/scratch.ts";

const MIB = 1_048_576;
/** No whole number of clusters, but of sectors; qemu keeps this size in a VHD when it is forced to. */
const SIZE = 9 * MIB + 1536;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const source = scratch.raw("disk.raw", SIZE, [
  [0, 70_000],
  [3 * MIB - 512, 2 * MIB],
  [SIZE - 512, 512],
]);
const bytes = readFileSync(source);
/** The same disk in every way that leaves it flat in one file. */
scratch.qemuImg("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", source, "fixed.vhd");
scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=monolithicFlat", source, "flat.vmdk");
scratch.qemuImg(
  "convert",
  "-f",
  "raw",
  "-O",
  "qcow2",
  "-o",
  "data_file=data.bin,data_file_raw=on",
  source,
  "outside.qcow2",
);
const sources: readonly string[] = ["disk.raw", "fixed.vhd", "flat.vmdk", "outside.qcow2"];

let number = 0;
beforeEach(() => number++);

function share(from: string, to: DiskFormatId, target: string, more: object = {}): Promise<FileConversion> {
  return convertFile({ source: scratch.path(from), target, to, options: {}, share: true, ...more });
}

it.each(sources.flatMap((from) => (["vmdk", "qcow2"] as const).map((to) => [from, to] as const)))(
  "%s as %s: a name for where the disk lies, and the same disk for qemu and for us",
  async (from, to) => {
    const target = scratch.path(`shared-${number}.${to}`);
    const done = await share(from, to, target);
    expect(done.sharedWith).not.toBeNull();
    expect(done.fingerprint).toBeNull();
    expect(statSync(target).blocks * 512).toBeLessThan(MIB);
    // QEMU looks for a data file in its own folder: the test's programs run in the image's.
    scratch.qemuImg("compare", "-f", "raw", "-F", to, source, target);
    if (to === "qcow2") scratch.qemuImg("check", target);
    const facts = await expectSameDisk(target, source);
    expect(facts.files.length).toBe(2);
    expect(await fingerprintFile(target)).toBe(await fingerprintFile(source));
  },
);

it("every cluster size of a qcow2 maps each cluster to its own place", async () => {
  for (const cluster_size of [512, 4096, 2 * MIB]) {
    const target = scratch.path(`shared-${cluster_size}.qcow2`);
    await share("disk.raw", "qcow2", target, { options: { cluster_size } });
    scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", source, target);
    scratch.qemuImg("check", target);
  }
});

it("raw is one more name for the file, where the file is the disk and nothing else", async () => {
  const target = scratch.path("shared.raw");
  expect((await share("flat.vmdk", "raw", target)).sharedWith).toBe(scratch.path("flat-flat.vmdk"));
  expect(statSync(target).ino).toBe(statSync(scratch.path("flat-flat.vmdk")).ino);
  await expect(share("disk.raw", "raw", target)).rejects.toMatchObject({ code: "io.exists" });
  expect((await share("disk.raw", "raw", target, { overwrite: true })).sharedWith).toBe(source);
  expect(readFileSync(target).equals(bytes)).toBe(true);
  // The footer of a VHD is no part of the disk.
  const copy = await share("fixed.vhd", "raw", scratch.path("copied.raw"));
  expect(copy.sharedWith).toBeNull();
  expect(readFileSync(scratch.path("copied.raw")).equals(bytes)).toBe(true);
});

it("what is not made for it is copied: other folders, growing formats, chosen subformats, no leave", async () => {
  mkdirSync(scratch.path("elsewhere"));
  const cases: readonly Promise<FileConversion>[] = [
    share("disk.raw", "vmdk", scratch.path("elsewhere/disk.vmdk")),
    share("disk.raw", "vhd", scratch.path("copied.vhd"), { options: { subformat: "fixed" } }),
    share("disk.raw", "vhdx", scratch.path("copied.vhdx")),
    share("disk.raw", "vmdk", scratch.path("copied.vmdk"), { options: { subformat: "monolithicSparse" } }),
    share("disk.raw", "qcow2", scratch.path("copied.qcow2"), { share: false }),
    share("disk.raw", "raw", scratch.path("full.raw"), { options: { preallocation: "full" } }),
  ];
  for (const done of await Promise.all(cases)) {
    expect(done.sharedWith).toBeNull();
    expect(done.fingerprint).toMatch(/^sv1:/);
  }
});

it("the disk's own files are never replaced by what is made of them, under whatever name they go", async () => {
  const own = scratch.raw("own.raw", MIB, [[0, MIB]]);
  const before = readFileSync(own);
  symlinkSync(own, scratch.path("alias.raw"));
  linkSync(own, scratch.path("second.raw"));
  for (const shared of [true, false]) {
    for (const target of ["own.raw", "second.raw", "alias.raw"]) {
      const done = share("alias.raw", "vmdk", scratch.path(target), { overwrite: true, share: shared });
      await expect(done).rejects.toMatchObject({ code: "io.same-file" });
    }
    const extent = share("flat.vmdk", "qcow2", scratch.path("flat-flat.vmdk"), { overwrite: true, share: shared });
    await expect(extent).rejects.toMatchObject({ code: "io.same-file" });
  }
  expect(readFileSync(own).equals(before)).toBe(true);
});

it("a bad option is refused, not shared away", async () => {
  const wrong = share("disk.raw", "qcow2", scratch.path("wrong.qcow2"), { options: { cluster_size: 7 } });
  await expect(wrong).rejects.toMatchObject({ code: "options.invalid" });
});
