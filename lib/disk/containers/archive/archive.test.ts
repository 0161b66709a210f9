import { gzipSync } from "node:zlib";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertFile, fingerprintFile, openInspection } from "../../file-conversion.ts";
import { openDisk } from "../../open-disk.ts";
import { type ArchiveFiles, tarImage, tarOf } from "../../testing/archives.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const files: Record<string, Buffer> = {};
let print = "";

beforeAll(async () => {
  scratch.raw("disk.raw", 4 * MIB, [[MIB, 70_000]]);
  print = await fingerprintFile(scratch.path("disk.raw"), { from: "raw" });
  const make = (name: string, ...options: string[]) =>
    scratch.qemuImg("convert", "-f", "raw", ...options, "disk.raw", name);
  make("d.qcow2", "-O", "qcow2");
  make("d.vmdk", "-O", "vmdk", "-o", "subformat=monolithicFlat");
  make("d.vhdx", "-O", "vhdx");
  for (const name of ["disk.raw", "d.qcow2", "d.vmdk", "d-flat.vmdk", "d.vhdx"])
    files[name] = readFileSync(scratch.path(name));
});

const of = (name: string): Buffer => files[name] ?? Buffer.alloc(0);
const VMX =
  '.encoding = "UTF-8"\nconfig.version = "8"\ndisplayName = "web"\nnumvcpus = "2"\nmemsize = "1024"\nscsi0:0.fileName = "d.vmdk"\n';

function zip(name: string, entries: ArchiveFiles): string {
  const folder = scratch.path(`${name}.d`);
  rmSync(folder, { recursive: true, force: true });
  for (const [path, content] of Object.entries(entries)) {
    mkdirSync(dirname(`${folder}/${path}`), { recursive: true });
    writeFileSync(`${folder}/${path}`, content);
  }
  execFileSync("zip", ["-q", "-r", scratch.path(name), "."], { cwd: folder });
  return scratch.path(name);
}

async function convert(source: string, more: Record<string, unknown> = {}) {
  const target = scratch.path("out.raw");
  rmSync(target, { force: true });
  const notes: string[] = [];
  const done = await convertFile({
    source,
    target,
    to: "raw",
    options: {},
    onNote: (note) => notes.push(note),
    ...more,
  });
  expect(done.fingerprint).toBe(print);
  return notes.join("\n");
}

describe("one disk in an archive", () => {
  it("of Google's clouds: disk.raw in a packed tar, its holes left out", async () => {
    execFileSync("tar", ["-S", "--format=oldgnu", "-czf", "gcp.tar.gz", "disk.raw"], { cwd: scratch.folder });
    await convert(scratch.path("gcp.tar.gz"));
    execFileSync("tar", ["-cjf", "disk.tbz2", "disk.raw"], { cwd: scratch.folder });
    await convert(scratch.path("disk.tbz2"));
  });

  it("with files for people beside it", async () => {
    const beside = { "README.txt": "read me", "__MACOSX/._d.qcow2": "x" };
    await convert(zip("one.zip", { ...beside, "d.qcow2": of("d.qcow2") }));
    await using found = await openDisk(tarImage("one.tar", { ...beside, "a/d.qcow2": of("d.qcow2") }));
    expect(found.facts.notes.join()).toMatch(/left aside: README\.txt/);
  });

  it("several want to be chosen from, none is refused", async () => {
    const two = tarImage("two.tar", { "a.raw": of("disk.raw"), "d.qcow2": of("d.qcow2") });
    await expect(openDisk(two)).rejects.toMatchObject({
      code: "image.disk-unsaid",
      hint: "Say which one. 1: a.raw, 2: d.qcow2",
    });
    const none = tarImage("none.tar", { "a.txt": "no disk" });
    await expect(openDisk(none)).rejects.toMatchObject({ code: "image.archive" });
    await convert(zip("two.zip", { "a.raw": of("disk.raw"), "d.qcow2": of("d.qcow2") }), { disk: 2 });
    await convert(scratch.path("two.zip"), { disk: "a.raw" });
  });
});

describe("Vagrant's boxes", () => {
  const box = (name: string, entries: ArchiveFiles): string => {
    writeFileSync(scratch.path(name), gzipSync(tarOf(entries)));
    return scratch.path(name);
  };

  it("of libvirt, of one disk and of several", async () => {
    const metadata = '{"provider":"libvirt","format":"qcow2","virtual_size":1}';
    await convert(box("one.box", { "./metadata.json": metadata, "./box.img": of("d.qcow2"), "./Vagrantfile": "x" }));
    const disks = '{"provider":"libvirt","disks":[{"path":"box_1.img"},{"path":"box_0.img"}]}';
    const two = box("two.box", { "metadata.json": disks, "box_0.img": of("d.qcow2"), "box_1.img": of("disk.raw") });
    await expect(convert(two)).rejects.toMatchObject({
      code: "image.disk-unsaid",
      hint: "Say which one. 1: box_1.img, 2: box_0.img",
    });
    await convert(two, { disk: "1" });
  });

  it("of VMware and Hyper-V", async () => {
    const vmware = { "metadata.json": '{"provider":"vmware_desktop"}', "web.vmx": VMX };
    await convert(box("vmware.box", { ...vmware, "d.vmdk": of("d.vmdk"), "d-flat.vmdk": of("d-flat.vmdk") }));
    const hyperv = {
      "metadata.json": '{"provider":"hyperv"}',
      "Virtual Machines/1.vmcx": "x",
      "Virtual Hard Disks/d.vhdx": of("d.vhdx"),
    };
    expect(await convert(box("hyperv.box", hyperv))).toMatch(/settings of the machine \(\.vmcx\) are not read/);
  });
});

describe("folders of machines in a zip", () => {
  const vmware = { "vm/web.vmx": VMX, "vm/web.nvram": "x", "vm/vmware.log": "y" };

  it("of VMware: the machine is read, and its disk with it", async () => {
    const path = zip("vmx.zip", { ...vmware, "vm/d.vmdk": of("d.vmdk"), "vm/d-flat.vmdk": of("d-flat.vmdk") });
    await convert(path);
    await using opened = await openInspection(path);
    expect(opened.facts.details).toMatchObject({ container: "VMware machine", entry: "vm/d.vmdk" });
    expect(readdirSync(scratch.folder).filter((name) => name.startsWith(".supravisor"))).toEqual([]);
  });

  it("of two machines: one of them is asked for", async () => {
    const path = zip("pair.zip", {
      "a/a.vmx": VMX,
      "b/b.vmx": VMX.replace("d.vmdk", "e.vmdk"),
      "a/d.vmdk": of("d.vmdk"),
      "a/d-flat.vmdk": of("d-flat.vmdk"),
    });
    await expect(convert(path)).rejects.toMatchObject({
      code: "image.machine-unsaid",
      hint: "Say which one. 1: a, 2: b",
    });
    await convert(path, { machine: "a" });
    await expect(convert(path, { machine: "b" })).rejects.toMatchObject({ code: "image.sibling-missing" });
  });

  it("damage inside is found by the checksum", async () => {
    const path = zip("bad.zip", { "d.qcow2": of("d.qcow2"), "e.raw": Buffer.alloc(512, 1) });
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(3000) ^ 1, 3000);
    writeFileSync(path, bytes);
    await expect(convert(path, { disk: 1 })).rejects.toMatchObject({ code: "image.corrupt" });
  });
});
