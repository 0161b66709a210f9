/** What administrators have on their KVM hosts, on a real libvirtd: disks by volume, chains over pools, bridges, devices. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLibvirtd, whyNoLibvirtd, type Libvirtd } from "#e2e/lab/libvirt/libvirtd.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { planConversion } from "#lib/disk/convert.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import type { InventoryItem, Vm } from "#lib/domain/inventory.ts";
import type { HypervisorAdapter, ResourceRef, VmSpec } from "../adapter.ts";
import { fillDisk } from "../fill-disk.ts";
import { LibvirtClient } from "../libvirt/client.ts";
import { volumeSink } from "../libvirt/storage/volume-bytes.ts";
import { kvmDriver } from "./driver.ts";

const reason = whyNoLibvirtd();
const MIB = 1_048_576;

describe.skipIf(reason !== null)(`a KVM host as it is found${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: Libvirtd;
  let adapter: HypervisorAdapter;
  let scratch: Scratch;
  let content: string;
  let wanted: string;
  const undo: (() => void)[] = [];

  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { encoding: "utf8", stdio: "pipe" });
  const bridge = `brt${process.pid}`;
  const fingerprint = async (path: string): Promise<string> => {
    await using image = await openInspection(path);
    return await fingerprintDisk(image.disk);
  };
  /** A pool of a folder beside the lab's own one. */
  const pool = (name: string): string => {
    const folder = join(lab.folder, name);
    mkdirSync(folder);
    lab.virsh("pool-define-as", `${lab.poolName}-${name}`, "dir", "--target", folder);
    lab.virsh("pool-start", `${lab.poolName}-${name}`);
    undo.push(() => {
      lab.virsh("pool-destroy", `${lab.poolName}-${name}`);
      lab.virsh("pool-undefine", `${lab.poolName}-${name}`);
    });
    return folder;
  };
  const image = (path: string, ...more: string[]): void =>
    void run("qemu-img", "convert", "-O", "qcow2", ...more, content, path);
  const define = async (name: string, disk: string): Promise<string> => {
    const uuid = randomUUID();
    const file = join(lab.folder, `${name}.xml`);
    writeFileSync(
      file,
      `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
        <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${disk}</devices></domain>`,
    );
    lab.virsh("define", file);
    return uuid;
  };
  const disk = (type: string, source: string, format = "qcow2"): string =>
    `<disk type='${type}' device='disk'><driver name='qemu' type='${format}'/><source ${source}/><target dev='vda' bus='virtio'/></disk>`;
  const captured = async (ref: string): Promise<string> => {
    const plan = await adapter.planCapture(ref, ["vda"], randomUUID());
    await using opened = await adapter.openDisk(ref, "vda", plan);
    if (opened.access !== "random") throw new Error("no seeking");
    return await fingerprintDisk(opened.disk);
  };
  const inventory = async (): Promise<InventoryItem[]> => {
    const items: InventoryItem[] = [];
    for await (const item of adapter.inventory()) items.push(item);
    return items;
  };

  beforeAll(async () => {
    lab = startLibvirtd();
    scratch = new Scratch();
    content = scratch.raw("content.raw", 8 * MIB, [
      [0, 4096],
      [5 * MIB, 70_000],
    ]);
    wanted = await fingerprint(content);
    adapter = await kvmDriver.open({ transport: "unix", socket: lab.socket }, null);
  }, 120_000);
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    for (const each of undo.reverse()) each();
    lab.stop();
    scratch[Symbol.dispose]();
  });

  it("captures a disk that its domain names by pool and volume", async () => {
    image(join(lab.poolDir, "by-volume.qcow2"));
    lab.virsh("pool-refresh", lab.poolName);
    const ref = await define("by-volume", disk("volume", `pool='${lab.poolName}' volume='by-volume.qcow2'`));
    expect((await adapter.vm(ref)).disks).toMatchObject([
      {
        source: join(lab.poolDir, "by-volume.qcow2"),
        storageRef: lab.poolName,
        capacity: 8 * MIB,
        captureBlocker: null,
      },
    ]);
    expect(await captured(ref)).toBe(wanted);
  });

  it("captures a disk with an external snapshot, whose file the pool has not seen yet", async () => {
    image(join(lab.poolDir, "base.qcow2"));
    lab.virsh("pool-refresh", lab.poolName);
    const ref = await define("snapped", disk("file", `file='${join(lab.poolDir, "base.qcow2")}'`));
    lab.virsh("snapshot-create-as", "snapped", "one", "--disk-only", "--no-metadata");
    const overlay = join(lab.poolDir, "base.one");
    expect(JSON.parse(run("qemu-img", "info", "--output=json", overlay))).toMatchObject({
      "backing-filename": join(lab.poolDir, "base.qcow2"),
    });
    await expect
      .poll(async () => (await adapter.vm(ref)).disks[0], { timeout: 10_000 })
      .toMatchObject({ source: overlay, captureBlocker: null });
    expect(await captured(ref)).toBe(wanted);
  });

  it("reads a base image in another pool, and refuses one in none with its name", async () => {
    const bases = pool("bases");
    image(join(bases, "golden.qcow2"));
    lab.virsh("pool-refresh", `${lab.poolName}-bases`);
    const outside = join(lab.folder, "outside.qcow2");
    image(outside);
    const overlay = (name: string, base: string): string => {
      const path = join(lab.poolDir, name);
      run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path);
      lab.virsh("pool-refresh", lab.poolName);
      return path;
    };
    const inside = await define("cloud", disk("file", `file='${overlay("cloud.qcow2", join(bases, "golden.qcow2"))}'`));
    expect(await captured(inside)).toBe(wanted);
    const other = await define("stray", disk("file", `file='${overlay("stray.qcow2", outside)}'`));
    await expect(captured(other)).rejects.toMatchObject({
      code: "image.backing-outside-pools",
      message: expect.stringContaining(outside),
    });
  });

  it("shows disks that it cannot read with the reason", async () => {
    const ref = await define(
      "ceph",
      disk("network", "protocol='rbd' name='rbd/web'", "raw").replace(
        "/><target",
        "><host name='mon.invalid'/></source><target",
      ),
    );
    expect((await adapter.vm(ref)).disks[0]).toMatchObject({
      source: "rbd:rbd/web",
      captureBlocker: expect.stringContaining("rbd export"),
    });
    const stray = await define("nowhere", disk("file", "file='/nowhere/web.qcow2'"));
    expect((await adapter.vm(stray)).disks[0]?.captureBlocker).toContain("in no active storage pool");
  });

  it("puts a guest on a bridge of the host", async () => {
    try {
      run("ip", "link", "add", bridge, "type", "bridge");
    } catch {
      // The kernel here makes no bridges.
      return;
    }
    undo.push(() => void run("ip", "link", "del", bridge));
    run("ip", "link", "set", bridge, "up");
    const networkRef = `bridge:${bridge}`;
    expect(await inventory()).toContainEqual(
      expect.objectContaining({ kind: "network", ref: networkRef, active: true }),
    );
    const vm = await make("bridged", [{ networkRef, model: "virtio", mac: "52:54:00:00:00:77" }], null);
    expect(vm.nics).toMatchObject([{ mac: "52:54:00:00:00:77", networkRef, networkName: bridge }]);
    await adapter.power(vm.ref, "start");
    const members = (): string => run("ip", "-o", "link", "show", "master", bridge);
    expect(members()).toContain("vnet");
    // Nobody's agent runs there, and no lease was given.
    expect(await adapter.vm(vm.ref)).toMatchObject({
      state: "running",
      tools: "not running",
      nics: [{ addresses: [] }],
    });
    await adapter.power(vm.ref, "stop");
  });

  it.each(["bios", "uefi", "secure"])("takes a Windows guest's definition: %s", async (firmware) => {
    const offered = adapter.capabilities.firmware.find(
      (each) => each.firmware === (firmware === "bios" ? "bios" : "uefi"),
    );
    if (offered?.available !== true || (firmware === "secure" && !offered.secureBoot)) return;
    const guest = { id: "windows", name: "Windows", version: null, family: "windows" as const };
    const vm = await make(`windows-${firmware}`, [], guest, {
      firmware: offered.firmware,
      secureBoot: firmware === "secure",
      cpus: 2,
    });
    expect(vm).toMatchObject({ firmware: offered.firmware, secureBoot: firmware === "secure" });
    const xml = lab.virsh("dumpxml", vm.name);
    expect(xml).toContain("<clock offset='localtime'>");
    expect(xml).toMatch(/<topology sockets='1'.* cores='2' threads='1'\/>/);
    await adapter.power(vm.ref, "start");
    expect((await adapter.vm(vm.ref)).state).toBe("running");
    // What libvirt chose for it is still what was asked for.
    expect(await adapter.vm(vm.ref)).toMatchObject({ secureBoot: firmware === "secure" });
    await adapter.power(vm.ref, "stop");
  });

  it("takes the definitions that are made for older and newer hosts", () => {
    const golden = join(import.meta.dirname, "golden");
    // Since 8.6 the older way to choose firmware without Secure Boot is refused: it is for older hosts alone.
    const older = ["libvirt-6.0-uefi.xml", "libvirt-7.0-uefi.xml"];
    for (const name of readdirSync(golden).filter((each) => !older.includes(each))) {
      // There is no KVM below this libvirtd.
      const xml = readFileSync(join(golden, name), "utf8")
        .replace("<domain type='kvm'>", "<domain type='qemu'>")
        .replace("<cpu mode='host-model'", "<cpu mode='maximum'");
      const file = join(lab.folder, name);
      writeFileSync(file, xml);
      expect(() => lab.virsh("define", file, "--validate"), name).not.toThrow();
      lab.virsh("undefine", "--nvram", xml.includes("win-01") ? "win-01" : "web-01");
    }
  });

  it("overwrites and reads a block device through libvirt", async () => {
    const backing = join(lab.folder, "device.img");
    writeFileSync(backing, Buffer.alloc(9 * MIB, 0xaa));
    let device: string;
    try {
      device = run("losetup", "-f", "--show", backing).trim();
    } catch {
      // No loop devices here.
      return;
    }
    undo.push(() => void run("losetup", "-d", device));
    // A pool of a folder takes devices for its volumes too.
    const folder = pool("devices");
    run("cp", "-a", device, join(folder, "dev"));
    lab.virsh("pool-refresh", `${lab.poolName}-devices`);
    {
      await using client = await LibvirtClient.open({ transport: "unix", socket: lab.socket }, null, "qemu:///system");
      const volume = await client.volumeByPath(join(folder, "dev"));
      await using sink = volumeSink(client, await client.upload(volume, false), { volume, device: 9 * MIB });
      const bytes = readFileSync(content);
      await sink.write(0, bytes.subarray(0, 4096));
      await sink.write(5 * MIB, bytes.subarray(5 * MIB, 5 * MIB + 70_000));
      await sink.commit(8 * MIB);
    }
    run("sync");
    const now = readFileSync(backing);
    expect(now.subarray(0, 8 * MIB).equals(readFileSync(content))).toBe(true);
    expect(now.subarray(8 * MIB).equals(Buffer.alloc(MIB))).toBe(true);
    const ref = await define("on-device", disk("block", `dev='${join(folder, "dev")}'`, "raw"));
    const found = (await inventory()).find((item) => item.kind === "vm" && item.ref === ref);
    expect(found).toMatchObject({ disks: [{ capacity: 9 * MIB, captureBlocker: null }] });
    expect(await captured(ref)).toBe(await fingerprint(backing));
  });

  async function make(
    name: string,
    nics: VmSpec["nics"],
    guest: VmSpec["guest"],
    more: Partial<VmSpec> = {},
  ): Promise<Vm> {
    await using source = await openInspection(content);
    const { fileLength } = await planConversion(source.disk, "qcow2", {});
    const spec = {
      poolRef: lab.poolName,
      name,
      format: "qcow2" as const,
      virtualSize: 8 * MIB,
      fileLength,
      placement: {},
    };
    const created = await adapter.createDisk(spec);
    const resource: ResourceRef = created.resource;
    await fillDisk(created, { disk: source.disk, to: "qcow2", options: {} });
    return adapter.createVm(
      {
        name,
        cpus: 1,
        memory: 256 * MIB,
        firmware: "bios",
        secureBoot: false,
        guest,
        placement: {},
        disks: [{ resource, format: "qcow2", bus: "sata" }],
        nics,
        description: "",
        ...more,
      },
      randomUUID(),
    );
  }
});
