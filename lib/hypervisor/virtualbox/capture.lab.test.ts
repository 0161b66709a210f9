/** Disks go in and come out as they are: VirtualBox and qemu-img say what is right. */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { localTarget, sshTarget } from "#e2e/lab/virtualbox/host.ts";
import { startVirtualBoxSshd } from "#e2e/lab/virtualbox/sshd.ts";
import { virtualBoxLab, type VirtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { planConversion } from "#lib/disk/convert.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { openImage } from "#lib/disk/registry.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter, ResourceRef } from "../adapter.ts";
import { fillDisk } from "../fill-disk.ts";
import { openHost } from "../registry.ts";
import { stillPlan } from "../testing-capture.ts";

const MIB = 1024 ** 2;
/** Whole grains: VirtualBox rounds a VMDK up to them. */
const SIZE = 40 * MIB + 65_536;
const reason = whyNoVirtualBox();

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => (error instanceof AppError ? error.code : `not an AppError: ${String(error)}`),
  );
}

describe.skipIf(reason !== null)(`disks of a real VirtualBox${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  const scratch = new Scratch();
  let lab: VirtualBoxLab;
  const adapters: Record<string, HypervisorAdapter> = {};

  beforeAll(async () => {
    lab = virtualBoxLab();
    adapters["local"] = await openHost(localTarget(lab), null);
    const { target, secret } = sshTarget(await startVirtualBoxSshd(lab));
    adapters["ssh"] = await openHost(target, secret);
  });
  afterAll(async () => {
    for (const adapter of Object.values(adapters)) await adapter[Symbol.asyncDispose]();
    lab.stop();
    scratch[Symbol.dispose]();
  });
  const by = (way: string): HypervisorAdapter => adapters[way] as HypervisorAdapter;

  const rawDisk = () =>
    scratch.raw("in.raw", SIZE, [
      [0, 3 * MIB],
      [33 * MIB + 1000, 65_536],
      [SIZE - 100, 100],
    ]);
  async function fingerprintOf(raw: string): Promise<string> {
    await using file = await openImageFile(raw);
    await using image = await openImage(file, { from: "raw" });
    return await fingerprintDisk(image.disk);
  }
  async function upload(adapter: HypervisorAdapter, raw: string, name: string, format: DiskFormatId) {
    await using file = await openImageFile(raw);
    await using image = await openImage(file, { from: "raw" });
    const { fileLength } = await planConversion(image.disk, format, {});
    const spec = { poolRef: lab.machineFolder, name, format, virtualSize: image.disk.size, fileLength, placement: {} };
    const created = await adapter.createDisk(spec);
    await fillDisk(created, { disk: image.disk, to: format, options: {} });
    return created.resource;
  }
  /** A VM of VirtualBox's own making, with one disk. */
  function foreignVm(disk: string): string {
    const uuid = randomUUID();
    lab.vboxManage("createvm", "--name", `foreign ${uuid}`, "--ostype", "Other_64", "--register", "--uuid", uuid);
    lab.vboxManage("storagectl", uuid, "--name", "SATA - a", "--add", "sata", "--portcount", "1");
    const place = ["--storagectl", "SATA - a", "--port", "0", "--device", "0", "--type", "hdd"];
    lab.vboxManage("storageattach", uuid, ...place, "--medium", disk);
    return uuid;
  }
  async function captured(adapter: HypervisorAdapter, uuid: string) {
    const vm = await adapter.vm(uuid);
    const [disk] = vm.disks;
    const tag = randomUUID();
    const needed = await adapter.planCapture(uuid, [disk?.id ?? ""], tag);
    try {
      await using opened = await adapter.openDisk(uuid, disk?.id ?? "", needed);
      if (opened.access !== "random") throw new Error("VirtualBox's disks can be sought in");
      return { vm, needed: needed.resources, size: opened.disk.size, fingerprint: await fingerprintDisk(opened.disk) };
    } finally {
      for (const resource of needed.resources) await adapter.remove(resource);
    }
  }

  it.each([
    ["local", "vmdk", "vmdk"],
    ["ssh", "vdi", "vdi"],
    ["ssh", "vhd", "vpc"],
  ] as const)("%s: a %s arrives whole and sparse", async (way, format, driver) => {
    const raw = rawDisk();
    const resource = await upload(by(way), raw, `up-${way}-${format}`, format);
    if (driver === "vpc") {
      // Without it qemu takes the size from the geometry, which is a little less.
      const options = `driver=vpc,force_size_calc=current_size,file.filename=${resource.ref}`;
      scratch.qemuImg("convert", "--image-opts", options, "-O", "raw", "back.raw");
      scratch.qemuImg("compare", "-f", "raw", "-F", "raw", raw, "back.raw");
    } else scratch.qemuImg("compare", "-f", "raw", "-F", driver, raw, resource.ref);
    expect(lab.vboxManage("showmediuminfo", "disk", resource.ref)).toContain("Capacity:       40 MBytes");
    await by(way).remove(resource);
    expect(existsSync(resource.ref)).toBe(false);
  });

  it.each([
    ["local", "VMDK"],
    ["local", "VHD"],
    ["ssh", "VDI"],
  ] as const)("%s: a %s with snapshots is read merged, without a copy on the host", async (way, format) => {
    const folder = join(lab.folder, `${way} ${format}`);
    const base = join(folder, `disk.${format.toLowerCase()}`);
    lab.inside("mkdir", folder);
    lab.vboxManage("convertfromraw", rawDisk(), base, "--format", format);
    const uuid = foreignVm(base);
    for (const name of ["one", `two "é"`]) lab.vboxManage("snapshot", uuid, "take", name);
    const info = lab.vboxManage("showvminfo", uuid, "--machinereadable");
    const top = /"SATA - a-ImageUUID-0-0"="([0-9a-f-]+)"/.exec(info)?.[1] ?? "";
    // Written into the newest difference alone.
    lab.vboxManage("mediumio", "--disk", top, "formatfat", "--quick");
    const got = await captured(by(way), uuid);
    expect(got.needed).toEqual([]);
    expect(got.vm.snapshots.map((snapshot) => [snapshot.name, snapshot.current])).toEqual([
      ["one", false],
      [`two "é"`, true],
    ]);
    const truth = scratch.path(`truth-${way}-${format}.raw`);
    lab.vboxManage("clonemedium", "disk", top, truth, "--format", "RAW");
    expect(got.fingerprint).toBe(await fingerprintOf(truth));
    expect(got.fingerprint).not.toBe(await fingerprintOf(scratch.path("in.raw")));
  });

  it("what is not read on a VirtualBox host is copied by it, and the copy goes", async () => {
    const way = "ssh";
    const disk = join(lab.folder, `${way}.qed`);
    const raw = rawDisk();
    scratch.qemuImg("convert", "-f", "raw", "-O", "qed", raw, disk);
    const uuid = foreignVm(disk);
    const got = await captured(by(way), uuid);
    expect(got.vm.disks[0]).toMatchObject({ format: "qed", captureBlocker: null, bus: "sata" });
    expect(got.needed).toHaveLength(1);
    // qemu's QED ends with a whole cluster.
    scratch.qemuImg("convert", "-f", "qed", "-O", "raw", disk, "qed.raw");
    expect(got.fingerprint).toBe(await fingerprintOf(scratch.path("qed.raw")));
    expect(readdirSync(lab.machineFolder).filter((name) => name.startsWith("supravisor-capture"))).toEqual([]);
    expect(lab.vboxManage("list", "hdds")).not.toContain("supravisor-capture");
  });

  it.each(["local", "ssh"])("%s: a VM that starts or goes while its disk is read ends the reading", async (way) => {
    const disk = join(lab.folder, `${way}-goes.vdi`);
    lab.vboxManage("convertfromraw", rawDisk(), disk, "--format", "VDI");
    const uuid = foreignVm(disk);
    const id = (await by(way).vm(uuid)).disks[0]?.id ?? "";
    const reading = async (meanwhile: () => void): Promise<string> => {
      await using opened = await by(way).openDisk(uuid, id, stillPlan());
      if (opened.access !== "random") return opened.access;
      meanwhile();
      await delay(2100);
      return await codeOf(opened.disk.read(33 * MIB, Buffer.alloc(65_536)));
    };
    expect(await reading(() => utimesSync(disk, new Date(), new Date(Date.now() + 60_000)))).toBe("vm.running");
    expect(await reading(() => lab.vboxManage("unregistervm", uuid, "--delete"))).toBe("disk.not-found");
    expect(await codeOf(by(way).planCapture(uuid, [id], randomUUID()))).toBe("vm.not-found");
  });

  it("says beforehand which disks cannot be read", async () => {
    const disk = join(lab.folder, "lost.vdi");
    lab.vboxManage("createmedium", "disk", "--filename", disk, "--size", "8");
    const uuid = foreignVm(disk);
    lab.inside("mv", disk, `${disk}.away`);
    const vm = await by("local").vm(uuid);
    expect(vm.disks[0]?.captureBlocker).toMatch(/cannot open/);
    expect(await codeOf(by("local").planCapture(uuid, [vm.disks[0]?.id ?? ""], randomUUID()))).toBe(
      "disk.cannot-capture",
    );
    expect(await codeOf(by("local").planCapture(uuid, ["SATA-9-0"], randomUUID()))).toBe("disk.not-found");
    const gone: ResourceRef = { kind: "disk", ref: join(lab.machineFolder, "none.vdi"), label: "disk none" };
    expect(await codeOf(by("local").openResource(gone, "vdi"))).toBe("disk.not-found");
  });
});
