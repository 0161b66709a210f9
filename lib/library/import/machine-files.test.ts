/** What of a machine's folder comes into the library, and that it is the same machine there. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { convertFile, fingerprintFile } from "#lib/disk/file-conversion.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import { makeVdiDifference } from "#lib/disk/testing/vdi-difference.ts";
import { makeVhdxDifference, vhdxLinkage } from "#lib/disk/testing/vhdx-difference.ts";
import { analyseFiles } from "../analyse-files.ts";
import { copyImage } from "./copy-image.ts";

const MIB = 1024 ** 2;
const CHANGE = Buffer.alloc(MIB, "changed since");
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const machine = scratch.path("machine");
const target = scratch.path("library");
const { signal } = new AbortController();
let changed = "";

beforeAll(async () => {
  const disk = scratch.raw("disk.raw", 4 * MIB, [[MIB, 70_000]]);
  for (const format of ["vhdx", "vdi", "qcow2"])
    scratch.qemuImg("convert", "-f", "raw", "-O", format, "disk.raw", `d.${format}`);
  scratch.raw("empty.raw", 4 * MIB, []);
  const options = { block_size: MIB };
  await convertFile({ source: scratch.path("empty.raw"), target: scratch.path("empty.vhdx"), to: "vhdx", options });
  const now = readFileSync(disk);
  now.set(CHANGE, 2 * MIB);
  writeFileSync(scratch.path("changed.raw"), now);
  changed = await fingerprintFile(scratch.path("changed.raw"), { from: "raw" });
});

beforeEach(() => {
  for (const folder of [machine, target]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
});

const of = (name: string): Buffer => readFileSync(scratch.path(name));
function put(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(machine, path)), { recursive: true });
  writeFileSync(join(machine, path), content);
}

async function imported(source = machine) {
  mkdirSync(scratch.path("data"), { recursive: true });
  const from = { folders: [machine], dataDir: scratch.path("data") };
  const free = 2 ** 40;
  const { fileNames } = await copyImage({ source, from, folder: target, said: null, free }, signal, () => undefined);
  expect(readdirSync(target).sort()).toEqual([...fileNames].sort());
  const input = { folder: target, fileNames: [...fileNames].sort(), apart: null, said: null, free };
  const { disks, hints } = await analyseFiles(input, signal, () => undefined);
  return { fileNames, prints: disks.map(({ fingerprint }) => fingerprint), hints };
}

it("VirtualBox: the disk of now in Snapshots, and its parent", async () => {
  put(
    "web.vbox",
    `<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux"><Machine uuid="{1}" name="web"><MediaRegistry><HardDisks>
<HardDisk uuid="{a1}" location="d.vdi"><HardDisk uuid="{b1}" location="Snapshots/{b1}.vdi"/></HardDisk></HardDisks></MediaRegistry>
<Hardware><CPU count="2"/><Memory RAMSize="512"/></Hardware><StorageControllers><StorageController name="SATA" type="AHCI">
<AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{b1}"/></AttachedDevice></StorageController></StorageControllers></Machine></VirtualBox>`,
  );
  put("d.vdi", of("d.vdi"));
  put("other.vdi", of("d.vdi").fill(9, 392, 408));
  put("Logs/VBox.log", "x");
  const own = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)] as const;
  put("Snapshots/{b1}.vdi", makeVdiDifference(of("d.vdi"), new Map([[2, CHANGE]]), ...own));
  for (const source of [machine, join(machine, "web.vbox")]) {
    rmSync(target, { recursive: true });
    mkdirSync(target);
    expect(await imported(source)).toMatchObject({
      fileNames: ["web.vbox", "{b1}.vdi", "d.vdi"],
      prints: [changed],
      hints: { cpus: 2, memory: 512 * MIB, bus: "sata" },
    });
  }
});

it("Hyper-V: a chain across its folders", async () => {
  put("Virtual Machines/AB.vmcx", "\0\x01");
  put("Snapshots/CD.vmcx", "\0\x01");
  put("Virtual Hard Disks/d.vhdx", of("d.vhdx"));
  const locator = { parent_linkage: vhdxLinkage(of("d.vhdx")), absolute_win32_path: "C:\\VMs\\d.vhdx" };
  put("Snapshots/d_1.avhdx", makeVhdxDifference(of("empty.vhdx"), { locator, blocks: new Map([[2, CHANGE]]) }));
  expect(await imported()).toMatchObject({ fileNames: ["AB.vmcx", "d_1.avhdx", "d.vhdx"], prints: [changed] });
});

it("disks without a machine: one is taken, several are to be imported one by one", async () => {
  put("README", "read me");
  put("d.qcow2", of("d.qcow2"));
  expect(await imported()).toMatchObject({ fileNames: ["d.qcow2"], hints: null });
  put("e.qcow2", of("d.qcow2"));
  await expect(imported()).rejects.toMatchObject({ code: "image.disk-unsaid" });
});

it("several machines: nothing is copied until one is named", async () => {
  for (const name of ["a", "b"]) {
    put(`${name}/${name}.vmx`, `config.version = "8"\nscsi0:0.fileName = "${name}.vmdk"\n`);
    scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "changed.raw", `machine/${name}/${name}.vmdk`);
  }
  await expect(imported()).rejects.toMatchObject({
    code: "image.machine-unsaid",
    hint: expect.stringMatching(/1: a, 2: b/),
  });
  expect(readdirSync(target)).toEqual([]);
  expect(await imported(join(machine, "b"))).toMatchObject({ fileNames: ["b.vmx", "b.vmdk"], prints: [changed] });
});

it("a folder without either", async () => {
  put("README", "read me");
  await expect(imported()).rejects.toMatchObject({ code: "image.folder" });
});
