import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { fingerprintFile } from "#lib/disk/file-conversion.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { analyseFiles } from "./analyse-files.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: scratch.folder, stdio: "pipe" });
let fingerprint = "";

beforeAll(async () => {
  scratch.raw("disk.img", 8 * MIB, [[MIB, 2 * MIB]]);
  fingerprint = await fingerprintFile(scratch.path("disk.img"));
  scratch.qemuImg("convert", "-f", "raw", "-O", "qcow2", "disk.img", "disk.qcow2");
  scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=monolithicFlat", "disk.img", "flat.vmdk");
  run("gzip", "-k", "disk.qcow2");
  run("xz", "-0", "-k", "disk.img");
  run("zip", "-q", "pair.zip", "flat.vmdk", "flat-flat.vmdk");
});

async function analyse(name: string, said: DiskFormatId | null = null, free = 2 ** 40) {
  const folder = await mkdtemp(scratch.path("version-"));
  copyFileSync(scratch.path(name), `${folder}/${name}`);
  const seen: number[] = [];
  const outcome = await analyseFiles(
    { folder, fileNames: [name], apart: null, said, free },
    new AbortController().signal,
    (p) => seen.push(p.done / p.total),
  ).catch((error: unknown) => error);
  expect(seen.every((share) => share >= 0 && share <= 1)).toBe(true);
  const left = (await readdir(folder)).filter((file) => !file.startsWith(".")).sort();
  return { outcome, left, folder };
}

it("a packed image becomes the image that is in it", async () => {
  const { outcome, left } = await analyse("disk.qcow2.gz");
  expect(outcome).toMatchObject({ unpacked: ["disk.qcow2.gz"], disks: [{ fileName: "disk.qcow2", fingerprint }] });
  expect(left).toEqual(["disk.qcow2"]);
});

it("a raw disk that somebody says is raw; without a word it is unknown, and stays what it was", async () => {
  expect((await analyse("disk.img.xz", "raw")).outcome).toMatchObject({
    disks: [{ fileName: "disk.img", fingerprint, facts: { format: "raw" } }],
  });
  const silent = await analyse("disk.img.xz");
  expect(silent.outcome).toMatchObject({ code: "image.unknown-format" });
});

it("a zip with all files of a disk", async () => {
  const { outcome, left } = await analyse("pair.zip");
  expect(outcome).toMatchObject({ disks: [{ fileName: "flat.vmdk", fingerprint }] });
  expect(left).toEqual(["flat-flat.vmdk", "flat.vmdk"]);
});

it("bytes of a raw disk that look packed are a raw disk", async () => {
  const disk = Buffer.from(readFileSync(scratch.path("disk.img")));
  readFileSync(scratch.path("disk.qcow2.gz")).copy(disk, 0, 0, 4096);
  writeFileSync(scratch.path("looks.img"), disk);
  expect((await analyse("looks.img", "raw")).outcome).toMatchObject({
    disks: [{ fileName: "looks.img" }],
    unpacked: [],
  });
});

it("no room, and damage: the packed file stays, and nothing else", async () => {
  const full = await analyse("disk.qcow2.gz", null, 257 * MIB);
  expect(full.outcome).toMatchObject({ code: "library.full" });
  expect(full.left).toEqual(["disk.qcow2.gz"]);
  writeFileSync(scratch.path("cut.qcow2.gz"), readFileSync(scratch.path("disk.qcow2.gz")).subarray(0, 100_000));
  const cut = await analyse("cut.qcow2.gz");
  expect(cut.outcome).toMatchObject({ code: "image.truncated" });
  expect(cut.left).toEqual(["cut.qcow2.gz"]);
});

it("files that are no disk are left out and told; another disk is no such file", async () => {
  writeFileSync(scratch.path("README.txt"), "read me");
  writeFileSync(scratch.path("web.vmx"), 'config.version = "8"\nmemsize = "512"\nscsi0:0.fileName = "flat.vmdk"\n');
  writeFileSync(scratch.path("web.nvram"), "x");
  run("zip", "-q", "readme.zip", "flat.vmdk", "flat-flat.vmdk", "README.txt");
  const packed = await analyse("readme.zip");
  expect(packed.outcome).toMatchObject({ disks: [{ fileName: "flat.vmdk", fingerprint }] });
  expect(packed.left).toEqual(["flat-flat.vmdk", "flat.vmdk"]);
  run("zip", "-q", "vmx.zip", "web.vmx", "web.nvram", "flat.vmdk", "flat-flat.vmdk");
  const machine = await analyse("vmx.zip");
  expect(machine.outcome).toMatchObject({
    hints: { memory: 512 * MIB },
    disks: [{ fileName: "web.vmx", entry: "flat.vmdk" }],
  });
  run("zip", "-q", "both.zip", "flat.vmdk", "flat-flat.vmdk", "disk.qcow2");
  expect((await analyse("both.zip")).outcome).toMatchObject({ code: "image.files-not-related" });

  const folder = await mkdtemp(scratch.path("set-"));
  const fileNames = ["README.txt", "flat-flat.vmdk", "flat.vmdk"];
  for (const name of fileNames) copyFileSync(scratch.path(name), `${folder}/${name}`);
  const input = { folder, fileNames, apart: null, said: null, free: 2 ** 40 };
  const found = await analyseFiles(input, new AbortController().signal, () => undefined);
  expect(found.disks[0]?.facts.notes.join()).toMatch(/left out: README\.txt/);
  expect((await readdir(folder)).sort()).toEqual(["flat-flat.vmdk", "flat.vmdk"]);
});

it("a box is a disk in a tar, and a package of several machines asks which", async () => {
  run(
    "sh",
    "-c",
    `echo '{"provider":"libvirt"}' > metadata.json; cp disk.qcow2 box.img; tar -czf l.box metadata.json box.img`,
  );
  const { outcome, left } = await analyse("l.box");
  expect(outcome).toMatchObject({ disks: [{ fileName: "l.tar", entry: "box.img", fingerprint }] });
  expect(left).toEqual(["l.tar"]);
});
