import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { convertFile, fingerprintFile, openInspection } from "../../file-conversion.ts";
import { openGiven } from "../../files/open-given.ts";
import { createFileSink } from "../../files/file-sink.ts";
import { Scratch } from "../../testing/scratch.ts";
import { makeVdiDifference } from "../../testing/vdi-difference.ts";
import { makeVhdxDifference, vhdxLinkage } from "../../testing/vhdx-difference.ts";
import { openContainer } from "../open.ts";
import { PACKAGE_WRITERS } from "../write.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const machine = scratch.path("machine");
const CHANGE = Buffer.alloc(MIB, "changed since");
let print = "";
let changed = "";

const VMX =
  '.encoding = "UTF-8"\nconfig.version = "8"\ndisplayName = "web"\nmemsize = "1024"\nscsi0:0.fileName = "d.vmdk"\n';

beforeAll(async () => {
  const disk = scratch.raw("disk.raw", 4 * MIB, [[MIB, 70_000]]);
  print = await fingerprintFile(disk, { from: "raw" });
  const make = (name: string, ...options: string[]) =>
    scratch.qemuImg("convert", "-f", "raw", ...options, "disk.raw", name);
  make("d.qcow2", "-O", "qcow2");
  make("d.vmdk", "-O", "vmdk", "-o", "subformat=monolithicFlat");
  make("d.vhdx", "-O", "vhdx");
  make("d.vdi", "-O", "vdi");
  scratch.raw("empty.raw", 4 * MIB, []);
  const options = { block_size: MIB };
  await convertFile({ source: scratch.path("empty.raw"), target: scratch.path("empty.vhdx"), to: "vhdx", options });
  const now = readFileSync(disk);
  now.set(CHANGE, 2 * MIB);
  writeFileSync(scratch.path("changed.raw"), now);
  changed = await fingerprintFile(scratch.path("changed.raw"), { from: "raw" });
});

beforeEach(() => {
  rmSync(machine, { recursive: true, force: true });
  mkdirSync(machine);
});

function put(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(machine, path)), { recursive: true });
  writeFileSync(join(machine, path), content);
}
const of = (name: string): Buffer => readFileSync(scratch.path(name));

async function convert(source: string, more: Record<string, unknown> = {}) {
  const target = scratch.path("out.raw");
  rmSync(target, { force: true });
  const notes: string[] = [];
  const done = await convertFile({
    source,
    target,
    to: "raw",
    options: {},
    onOpened: async ({ facts }) => void notes.push(...facts.notes),
    ...more,
  });
  return { print: done.fingerprint, notes: notes.join("\n") };
}

describe("VMware", () => {
  it("reads the machine, and lists its files by their paths relative to the folder's parent", async () => {
    put("web.vmx", VMX);
    put("d.vmdk", of("d.vmdk"));
    put("d-flat.vmdk", of("d-flat.vmdk"));
    put("caches/log.txt", "x");
    expect((await convert(machine)).print).toBe(print);
    await using opened = await openInspection(machine);
    expect(opened.facts).toMatchObject({
      files: ["machine/web.vmx", "machine/d.vmdk", "machine/d-flat.vmdk"],
      details: { container: "VMware machine", entry: "d.vmdk" },
    });
    await using image = await openGiven(machine);
    await using container = await openContainer(image);
    expect(container).toMatchObject({ machine: "web", hints: { memory: 1024 * MIB }, inFolder: true });
  });

  it("a target that is one of its files is never written over", async () => {
    put("web.vmx", VMX);
    put("d.vmdk", of("d.vmdk"));
    put("d-flat.vmdk", of("d-flat.vmdk"));
    symlinkSync(machine, scratch.path("door"));
    for (const source of [machine, scratch.path("door")])
      for (const name of ["web.vmx", "d.vmdk", "d-flat.vmdk"])
        await expect(convert(source, { target: join(machine, name), overwrite: true })).rejects.toMatchObject({
          code: "io.same-file",
        });
    expect(of("d-flat.vmdk").equals(readFileSync(join(machine, "d-flat.vmdk")))).toBe(true);
  });

  it("of two machines one has to be named", async () => {
    put("a/a.vmx", VMX);
    put("a/d.vmdk", of("d.vmdk"));
    put("a/d-flat.vmdk", of("d-flat.vmdk"));
    put("b/b.vmx", VMX.replace("d.vmdk", "e.vmdk"));
    await expect(convert(machine)).rejects.toMatchObject({ code: "image.machine-unsaid" });
    expect((await convert(machine, { machine: "a" })).print).toBe(print);
  });
});

describe("Hyper-V", () => {
  const DISKS = "Virtual Hard Disks";
  const settings = (path: string): string =>
    `<configuration><_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0><pathname type="string">${path}</pathname></drive0></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_><properties><name type="string">web</name></properties><settings><processors><count>2</count></processors></settings></configuration>`;

  it("an export of today: the disk is found, the settings are not read; the folder or its .vmcx is named", async () => {
    put("Virtual Machines/AB.vmcx", "\0\x01");
    put("Virtual Machines/AB.vmrs", "\0");
    put("Snapshots/CD.vmcx", "\0\x01");
    put(`${DISKS}/d.vhdx`, of("d.vhdx"));
    for (const source of [machine, join(machine, "Virtual Machines/AB.vmcx")]) {
      const found = await convert(source);
      expect(found.print).toBe(print);
      expect(found.notes).toMatch(/\.vmcx\) are not read/);
      await expect(convert(source, { target: join(machine, DISKS, "d.vhdx"), overwrite: true })).rejects.toMatchObject({
        code: "io.same-file",
      });
    }
  });

  it("whose checkpoints branch: both states are shown as what they are", async () => {
    put("Virtual Machines/AB.vmcx", "\0\x01");
    put(`${DISKS}/d.vhdx`, of("d.vhdx"));
    const locator = { parent_linkage: vhdxLinkage(of("d.vhdx")), absolute_win32_path: "C:\\VMs\\d.vhdx" };
    for (const name of ["a", "b"])
      put(`${DISKS}/${name}.avhdx`, makeVhdxDifference(of("empty.vhdx"), { locator, blocks: new Map([[2, CHANGE]]) }));
    await expect(convert(machine)).rejects.toMatchObject({ code: "image.disk-unsaid" });
    const found = await convert(machine, { disk: `${DISKS}/b.avhdx` });
    expect(found).toMatchObject({ print: changed, notes: expect.stringMatching(/are states of one disk/) });
  });

  it("of several machines: a disk is named, for naming the machine tells nothing", async () => {
    for (const name of ["AB", "CD"]) put(`Virtual Machines/${name}.vmcx`, "\0\x01");
    put(`${DISKS}/d.vhdx`, of("d.vhdx"));
    for (const more of [{}, { machine: "AB" }])
      await expect(convert(machine, more)).rejects.toMatchObject({ code: "image.machine-unsaid" });
    expect((await convert(machine, { disk: 1 })).print).toBe(print);
  });

  it("the older XML, whose paths are those of another host", async () => {
    put("Virtual Machines/AB.xml", settings("D:\\VMs\\web\\d.vhdx"));
    put(`${DISKS}/d.vhdx`, of("d.vhdx"));
    for (const source of [machine, join(machine, "Virtual Machines/AB.xml")]) {
      expect((await convert(source)).print).toBe(print);
      await using image = await openGiven(source);
      await using container = await openContainer(image);
      expect(container).toMatchObject({ kind: "hyperv", machine: "web", hints: { cpus: 2 } });
    }
  });

  it("a difference and its parent in different folders, found nowhere else", async () => {
    put("Virtual Machines/AB.vmcx", "\0\x01");
    put(`${DISKS}/d.vhdx`, of("d.vhdx"));
    const locator = { parent_linkage: vhdxLinkage(of("d.vhdx")), absolute_win32_path: "C:\\VMs\\d.vhdx" };
    put("Snapshots/d_1.avhdx", makeVhdxDifference(of("empty.vhdx"), { locator, blocks: new Map([[2, CHANGE]]) }));
    expect((await convert(machine)).print).toBe(changed);
    await using opened = await openInspection(join(machine, "Virtual Machines/AB.vmcx"));
    expect(opened.facts).toMatchObject({
      files: ["../Virtual Machines/AB.vmcx", "../Snapshots/d_1.avhdx", `../${DISKS}/d.vhdx`],
      details: { disk: "1 of 1" },
    });
    // Whatever lies beside the folder is not looked at, and a link that leads there is not followed.
    renameSync(join(machine, DISKS, "d.vhdx"), scratch.path("moved.vhdx"));
    symlinkSync(scratch.path("moved.vhdx"), join(machine, DISKS, "d.vhdx"));
    await expect(convert(machine)).rejects.toMatchObject({ code: "image.parent-missing" });
  });
});

describe("VirtualBox", () => {
  const settings = `<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux"><Machine uuid="{1}" name="web"><MediaRegistry><HardDisks>
<HardDisk uuid="{a1}" location="d.vdi" format="VDI"><HardDisk uuid="{b1}" location="Snapshots/{b1}.vdi" format="VDI"/></HardDisk></HardDisks></MediaRegistry>
<Hardware><CPU count="2"/><Memory RAMSize="512"/></Hardware><StorageControllers><StorageController name="SATA" type="AHCI">
<AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{b1}"/></AttachedDevice></StorageController></StorageControllers></Machine></VirtualBox>`;

  it("whose state of now lies in Snapshots: the folder or its .vbox is named", async () => {
    put("web.vbox", settings);
    put("d.vdi", of("d.vdi"));
    const own = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)] as const;
    put("Snapshots/{b1}.vdi", makeVdiDifference(of("d.vdi"), new Map([[2, CHANGE]]), ...own));
    for (const [source, root] of [
      [machine, "machine/"],
      [join(machine, "web.vbox"), ""],
    ] as const) {
      expect((await convert(source)).print).toBe(changed);
      await using opened = await openInspection(source);
      expect(opened.facts.files).toEqual([`${root}web.vbox`, `${root}Snapshots/{b1}.vdi`, `${root}d.vdi`]);
      await expect(convert(source, { target: join(machine, "d.vdi"), overwrite: true })).rejects.toMatchObject({
        code: "io.same-file",
      });
    }
  });
});

describe("other folders", () => {
  it("an unpacked box, an unpacked OVA, one disk with files for people", async () => {
    put("box/metadata.json", '{"provider":"libvirt","format":"qcow2","virtual_size":1}');
    put("box/box.img", of("d.qcow2"));
    expect((await convert(join(machine, "box"))).print).toBe(print);
    await convertToOva(join(machine, "web.ova"));
    mkdirSync(join(machine, "ova"));
    execFileSync("tar", ["-xf", join(machine, "web.ova"), "-C", join(machine, "ova")]);
    expect((await convert(join(machine, "ova"))).print).toBe(print);
    await using opened = await openInspection(join(machine, "ova"));
    expect(opened.facts).toMatchObject({ details: { container: "OVF" } });
    expect(opened.facts.files.every((name) => name.startsWith("ova/"))).toBe(true);
    put("disk/README", "read me");
    put("disk/d.qcow2", of("d.qcow2"));
    const found = await convert(join(machine, "disk"));
    expect(found).toMatchObject({ print, notes: expect.stringMatching(/left aside: README/) });
  });

  it("a machine of Parallels: its disk is a folder below it", async () => {
    const top = "{5fbaabe3-6958-40ff-92a7-860e329aab41}";
    const none = "{00000000-0000-0000-0000-000000000000}";
    scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", "disk.raw", "d.hds");
    put("config.pvs", "<ParallelsVirtualMachine/>");
    put("harddisk.hdd/d.hds", of("d.hds"));
    put("harddisk.hdd/harddisk.hdd", "");
    put(
      "harddisk.hdd/DiskDescriptor.xml",
      `<?xml version='1.0' encoding='UTF-8'?><Parallels_disk_image Version="1.0"><Disk_Parameters><Disk_size>8192</Disk_size><Padding>0</Padding>
<Encryption><Engine>${none}</Engine></Encryption></Disk_Parameters><StorageData><Storage><Start>0</Start><End>8192</End><Blocksize>2048</Blocksize>
<Image><GUID>${top}</GUID><Type>Compressed</Type><File>d.hds</File></Image></Storage></StorageData>
<Snapshots><Shot><GUID>${top}</GUID><ParentGUID>${none}</ParentGUID></Shot></Snapshots></Parallels_disk_image>`,
    );
    for (const source of [machine, join(machine, "harddisk.hdd")]) expect((await convert(source)).print).toBe(print);
  });

  it("several disks are chosen from; none is refused with what was looked for; no name makes a folder a disk", async () => {
    put("two/a.raw", of("disk.raw"));
    put("two/d.qcow2", of("d.qcow2"));
    await expect(convert(join(machine, "two"))).rejects.toMatchObject({ code: "image.disk-unsaid" });
    expect((await convert(join(machine, "two"), { disk: "a.raw" })).print).toBe(print);
    put("none.img/a.txt", "x");
    for (const more of [{}, { from: "raw" }])
      await expect(convert(join(machine, "none.img"), more)).rejects.toMatchObject({
        code: "image.folder",
        hint: expect.stringMatching(/\.vmx, \.vbox, \.vmcx/),
      });
  });

  it("a disk that was not closed cleanly is read when a person says so, as outside of one", async () => {
    const dirty = of("d.qcow2");
    dirty.writeUInt8(1, 79);
    put("d.qcow2", dirty);
    await expect(convert(machine)).rejects.toMatchObject({ code: "image.dirty" });
    expect((await convert(machine, { acceptDirty: true })).print).toBe(print);
  });

  it("what is no plain file is left, and so is what lies too deep", async () => {
    execFileSync("mkfifo", [join(machine, "d.vmdk")]);
    put("1/2/3/4/5/d.qcow2", of("d.qcow2"));
    symlinkSync("/dev/zero", join(machine, "zero.raw"));
    symlinkSync(scratch.folder, join(machine, "1/out"));
    await expect(convert(machine)).rejects.toMatchObject({ code: "image.folder" });
    put("1/2/3/4/d.qcow2", of("d.qcow2"));
    expect((await convert(machine)).print).toBe(print);
  });
});

async function convertToOva(target: string): Promise<void> {
  await using opened = await openInspection(scratch.path("d.qcow2"));
  await using sink = await createFileSink(target);
  const machine = {
    name: "web",
    cpus: 1,
    memory: 1024 * MIB,
    firmware: "bios",
    bus: null,
    nic: null,
    guest: "other",
  } as const;
  await PACKAGE_WRITERS.ova({ machine, disks: [opened.disk], sink, options: {} });
}
