/** What can go wrong with a vCenter, each time a clear error, nothing left, and the same work goes through afterwards. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startVsphere, type VsphereLab } from "#e2e/lab/vmware/lab.ts";
import { whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import type { InventoryChange } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { textAt } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import type { HypervisorAdapter, ResourceRef, VmSpec } from "../adapter.ts";
import { vmwareDriver } from "./driver.ts";
import { sendNoise, specOf } from "./testing-disk.ts";
import { stillPlan } from "../testing-capture.ts";

const reason = whyNoVcsim();
const MiB = 1024 ** 2;

async function failure(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  return work.then(
    () => ({ code: "no error", text: "" }),
    (error: unknown) =>
      error instanceof AppError
        ? { code: error.code, text: JSON.stringify([error.message, error.hint, error.details, String(error.cause)]) }
        : { code: `not an AppError: ${String(error)}`, text: "" },
  );
}

describe.skipIf(reason !== null)(`a vCenter with troubles${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: VsphereLab;
  let adapter: HypervisorAdapter;
  let pool = "";
  let number = 0;
  const name = (): string => `fault-${(number += 1)}-${randomUUID().slice(0, 8)}`;

  beforeAll(async () => {
    lab = await startVsphere({ kind: "vpx", vms: 1 });
    adapter = await vmwareDriver.open(lab.connection, lab.secret);
    for await (const item of adapter.inventory()) if (item.kind === "pool" && item.writable) pool = item.ref;
  });
  afterEach(() => {
    lab.proxy.limitUploads(null);
    lab.proxy.limitLeases(null);
    lab.proxy.slowUploads(null);
    lab.proxy.onCall(null);
    lab.proxy.nameHost(null);
  });
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const vmNames = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const item of adapter.inventory()) if (item.kind === "vm") names.push(item.name);
    return names;
  };
  /** Nothing of the disk is left, and it goes through now. */
  const goesThroughNow = async (disk: string): Promise<ResourceRef> => {
    await adapter.remove({ kind: "disk", ref: `${pool}/${disk}`, label: disk });
    expect(await vmNames()).not.toContain(disk);
    expect(lab.proxy.openLeases()).toBe(0);
    const { resource } = await sendNoise(adapter, specOf(pool, disk), 1);
    await adapter.remove(resource);
    expect(await vmNames()).not.toContain(disk);
    return resource;
  };
  const vmSpec = (vmName: string, disks: readonly ResourceRef[]): VmSpec => ({
    name: vmName,
    cpus: 1,
    memory: 64 * MiB,
    firmware: "bios",
    secureBoot: false,
    guest: null,
    placement: {},
    disks: disks.map((resource) => ({ resource, format: "vmdk", bus: "pvscsi" })),
    nics: [],
    description: "for a test",
  });

  it("a wrong password, and one that never shows", async () => {
    const wrong = await failure(vmwareDriver.open(lab.connection, { password: "hunter2hunter2" }));
    expect(wrong.code).toBe("host.auth-failed");
    expect(wrong.text).not.toContain("hunter2");
    expect((await failure(vmwareDriver.open(lab.connection, null))).code).toBe("host.auth-failed");
  });

  it("a certificate that nobody confirmed, that has changed, or that a CA vouches for", async () => {
    const { connection, secret, proxy } = lab;
    const shown = proxy.certificate();
    expect(await vmwareDriver.identify({ ...connection, certificate: null })).toEqual({
      kind: "tls-certificate",
      fingerprint: shown.sha256,
    });
    expect((await failure(vmwareDriver.open({ ...connection, certificate: null }, secret))).code).toBe(
      "host.identity-unconfirmed",
    );
    const byCa = await vmwareDriver.open({ ...connection, certificate: null, caCertificate: shown.ca }, secret);
    await byCa[Symbol.asyncDispose]();
    const logins: string[] = [];
    proxy.onCall((method) => void logins.push(method));
    const changed = await failure(vmwareDriver.open({ ...connection, certificate: "0".repeat(64) }, secret));
    expect(changed.code).toBe("host.key-changed");
    expect(logins).toEqual([]);
  });

  it("a certificate that changes while the session lasts", async () => {
    await using other = await startVsphere({ kind: "esx", vms: 0 });
    await using session = await vmwareDriver.open(other.connection, other.secret);
    other.proxy.changeCertificate();
    const changed = await failure(session.refreshCapabilities());
    expect([changed.code, changed.text]).toEqual(["host.key-changed", expect.stringContaining("another certificate")]);
  });

  it("an address where nobody is, or somebody else", async () => {
    expect((await failure(vmwareDriver.open({ ...lab.connection, port: 1 }, lab.secret))).code).toBe(
      "host.unreachable",
    );
  });

  it("a session that ends between two calls is opened anew, unseen", async () => {
    await lab.proxy.expireSessions();
    expect(await vmNames()).toContain("DC0_H0_VM0");
    await lab.proxy.expireSessions();
    expect((await adapter.refreshCapabilities()).diskFormats).toEqual(["vmdk"]);
  });

  it("a session that ends in the middle of an upload", async () => {
    const disk = name();
    lab.proxy.slowUploads(4 * MiB);
    const sending = failure(sendNoise(adapter, specOf(pool, disk, 16 * MiB), 1));
    await delay(700);
    await lab.proxy.expireSessions();
    expect((await sending).code).toBe("host.lease-lost");
    lab.proxy.slowUploads(null);
    await goesThroughNow(disk);
  });

  it("a lease that times out because the host no longer hears from us", async () => {
    const disk = name();
    lab.proxy.slowUploads(4 * MiB);
    lab.proxy.limitLeases(1500);
    let silent = false;
    lab.proxy.onCall(async (method) => {
      // Reports of progress are swallowed.
      if (silent && method === "HttpNfcLeaseProgress") await delay(3000);
    });
    silent = true;
    expect((await failure(sendNoise(adapter, specOf(pool, disk, 16 * MiB), 1))).code).toBe("host.lease-lost");
    lab.proxy.onCall(null);
    lab.proxy.slowUploads(null);
    lab.proxy.limitLeases(null);
    await goesThroughNow(disk);
  });

  it("a lease that lives as long as its upload takes", async () => {
    const disk = name();
    lab.proxy.slowUploads(2 * MiB);
    lab.proxy.limitLeases(1000);
    const { resource } = await sendNoise(adapter, specOf(pool, disk), 1);
    await adapter.remove(resource);
  });

  it("a datastore that fills up during the upload", async () => {
    const disk = name();
    lab.proxy.limitUploads(MiB);
    expect((await failure(sendNoise(adapter, specOf(pool, disk), 1))).code).toBe("pool.full");
    lab.proxy.limitUploads(null);
    await goesThroughNow(disk);
  });

  it("a connection that is cut in the middle of an upload", async () => {
    const disk = name();
    lab.proxy.slowUploads(4 * MiB);
    const sending = failure(sendNoise(adapter, specOf(pool, disk, 16 * MiB), 1));
    await delay(700);
    const up = await lab.proxy.down();
    expect(["host.unreachable", "host.lease-lost"]).toContain((await sending).code);
    up();
    lab.proxy.slowUploads(null);
    await goesThroughNow(disk);
  });

  it("somebody cancels an upload: it ends within two seconds", async () => {
    const disk = name();
    lab.proxy.slowUploads(MiB);
    const stop = new AbortController();
    const sending = sendNoise(adapter, specOf(pool, disk, 16 * MiB), 1, stop.signal).then(
      () => "sent",
      () => "stopped",
    );
    await delay(500);
    const asked = performance.now();
    stop.abort(new AppError("cancelled", "cancelled", "Enough."));
    expect(await sending).toBe("stopped");
    expect(performance.now() - asked).toBeLessThan(2500);
    lab.proxy.slowUploads(null);
    await goesThroughNow(disk);
  });

  it("somebody cancels a capture: it ends within two seconds, and the lease with it", async () => {
    const { resource } = await sendNoise(adapter, specOf(pool, name(), 16 * MiB), 1);
    const tag = randomUUID();
    const vm = await adapter.createVm(vmSpec(name(), [resource]), tag);
    lab.proxy.slowUploads(MiB);
    const stop = new AbortController();
    const opened = await adapter.openDisk(vm.ref, vm.disks[0]?.id ?? "", stillPlan(), stop.signal);
    if (opened.access !== "once") throw new Error("an export can be read at random");
    const { stream } = opened;
    const reading = failure(
      (async () => {
        for await (const piece of stream.pieces(stop.signal)) void piece;
      })(),
    );
    await delay(300);
    const asked = performance.now();
    stop.abort(new AppError("cancelled", "cancelled", "Enough."));
    expect((await reading).code).toBe("cancelled");
    await opened[Symbol.asyncDispose]();
    expect(performance.now() - asked).toBeLessThan(2500);
    expect(lab.proxy.openLeases()).toBe(0);
    await adapter.remove({ kind: "vm", ref: tag, label: vm.name });
  });

  it("sends a disk to the ESXi host that vCenter names, and to nobody else who answers there", async () => {
    const { thumbprint } = lab.proxy.certificate();
    lab.proxy.nameHost({ address: `localhost:${lab.proxy.port}`, thumbprint });
    const { resource } = await sendNoise(adapter, specOf(pool, name()), 1);
    await adapter.remove(resource);
    const wrong = name();
    lab.proxy.nameHost({ address: `localhost:${lab.proxy.port}`, thumbprint: thumbprint.replaceAll(/[0-9]/g, "A") });
    expect((await failure(sendNoise(adapter, specOf(pool, wrong), 1))).code).toBe("host.identity-unconfirmed");
    lab.proxy.nameHost(null);
    await goesThroughNow(wrong);
  });

  it("rights that are missing are named", async () => {
    lab.proxy.failNext("ImportVApp", "NoPermission", "Permission to perform this operation was denied.");
    expect((await failure(sendNoise(adapter, specOf(pool, name()), 1))).code).toBe("host.no-permission");
  });

  it("two deploys of one name at once: one is made, of the other nothing is left", async () => {
    const [a, b] = await Promise.all([
      sendNoise(adapter, specOf(pool, name()), 1),
      sendNoise(adapter, specOf(pool, name()), 2),
    ]);
    const vmName = name();
    const tags = [randomUUID(), randomUUID()] as const;
    const outcomes = await Promise.all([
      failure(adapter.createVm(vmSpec(vmName, [a.resource]), tags[0])),
      failure(adapter.createVm(vmSpec(vmName, [b.resource]), tags[1])),
    ]);
    expect(outcomes.map((outcome) => outcome.code).sort()).toEqual(["no error", "vm.exists"]);
    const lost = outcomes.findIndex((outcome) => outcome.code === "vm.exists");
    await adapter.remove({ kind: "vm", ref: tags[lost] ?? "", label: vmName });
    await adapter.remove((lost === 0 ? a : b).resource);
    expect((await vmNames()).filter((each) => each.startsWith(vmName.slice(0, 8)))).toEqual([vmName]);
    for (const tag of tags) await adapter.remove({ kind: "vm", ref: tag, label: vmName });
    expect(await vmNames()).not.toContain(vmName);
  });

  it("names that need care: 80 letters, slashes, percent signs", async () => {
    for (const vmName of [`${"ä".repeat(70)} 'x' "y"`, "50% of a/b\\c", "東京 & <web>"]) {
      const { resource } = await sendNoise(adapter, specOf(pool, name()), 1);
      const tag = randomUUID();
      const vm = await adapter.createVm(vmSpec(vmName, [resource]), tag);
      expect(vm.name).toBe(vmName);
      const { resource: second } = await sendNoise(adapter, specOf(pool, name()), 1);
      expect((await failure(adapter.createVm(vmSpec(vmName, [second]), randomUUID()))).code).toBe("vm.exists");
      await adapter.remove(second);
      await adapter.remove({ kind: "vm", ref: tag, label: vmName });
    }
  });

  it("a VM that somebody else removes while its disk is captured", async () => {
    const { resource } = await sendNoise(adapter, specOf(pool, name(), 16 * MiB), 1);
    const tag = randomUUID();
    const vm = await adapter.createVm(vmSpec(name(), [resource]), tag);
    await adapter.power(vm.ref, "start");
    const diskId = vm.disks[0]?.id ?? "";
    const captureTag = randomUUID();
    const needed = await adapter.planCapture(vm.ref, [diskId], captureTag);
    expect(needed.resources).toHaveLength(1);
    lab.proxy.slowUploads(4 * MiB);
    const opened = await adapter.openDisk(vm.ref, diskId, needed);
    expect((await adapter.vm(vm.ref)).snapshots).toHaveLength(1);
    if (opened.access !== "once") throw new Error("an export can be read at random");
    const { stream } = opened;
    const reading = failure(
      (async () => {
        for await (const piece of stream.pieces()) void piece;
      })(),
    );
    const self = { type: "VirtualMachine", id: vm.ref };
    await lab.proxy.backend.task("PowerOffVM_Task", self, xml``);
    await lab.proxy.backend.task("Destroy_Task", self, xml``);
    await lab.proxy.expireSessions();
    expect((await reading).code).toBe("host.lease-lost");
    await opened[Symbol.asyncDispose]();
    for (const each of needed.resources) await adapter.remove(each);
    expect((await failure(adapter.vm(vm.ref))).code).toBe("vm.not-found");
    expect((await failure(adapter.openDisk(vm.ref, diskId, needed))).code).toBe("vm.not-found");
    expect((await failure(adapter.power(vm.ref, "start"))).code).toBe("vm.not-found");
  });

  it("a snapshot that a crash left behind goes by what the ledger says", async () => {
    const { resource } = await sendNoise(adapter, specOf(pool, name()), 1);
    const tag = randomUUID();
    const vm = await adapter.createVm(vmSpec(name(), [resource]), tag);
    await adapter.power(vm.ref, "start");
    const captureTag = randomUUID();
    const needed = await adapter.planCapture(vm.ref, [vm.disks[0]?.id ?? ""], captureTag);
    const opened = await adapter.openDisk(vm.ref, vm.disks[0]?.id ?? "", needed);
    await opened[Symbol.asyncDispose]();
    await using later = await vmwareDriver.open(lab.connection, lab.secret);
    expect((await later.vm(vm.ref)).snapshots.map((each) => each.name)).toEqual([`supravisor-${captureTag}`]);
    for (const each of needed.resources) await later.remove(each);
    for (const each of needed.resources) await later.remove(each);
    expect((await later.vm(vm.ref)).snapshots).toEqual([]);
    await adapter.remove({ kind: "vm", ref: tag, label: vm.name });
  });

  it("a vCenter that restarts during a watch: the watch ends, and the next one tells what was missed", async () => {
    const { resource } = await sendNoise(adapter, specOf(pool, name()), 1);
    const tag = randomUUID();
    const vm = await adapter.createVm(vmSpec(name(), [resource]), tag);
    const session = await vmwareDriver.open(lab.connection, lab.secret);
    const seen: InventoryChange[] = [];
    const watching = failure(
      (async () => {
        for await (const change of session.watch(new AbortController().signal)) seen.push(change);
      })(),
    );
    for (let i = 0; i < 100 && seen.length === 0; i += 1) await delay(50);
    const up = await lab.proxy.down();
    expect((await watching).code).toBe("host.unreachable");
    await session[Symbol.asyncDispose]();
    up();
    await adapter.power(vm.ref, "start");
    await using again = await vmwareDriver.open(lab.connection, lab.secret);
    const states: string[] = [];
    for await (const item of again.inventory()) if (item.kind === "vm" && item.ref === vm.ref) states.push(item.state);
    expect(states).toEqual(["running"]);
    await adapter.remove({ kind: "vm", ref: tag, label: vm.name });
  });

  it("a session that ends during a watch: it is opened anew, and what was missed is told", async () => {
    const { resource } = await sendNoise(adapter, specOf(pool, name()), 1);
    const tag = randomUUID();
    const vm = await adapter.createVm(vmSpec(name(), [resource]), tag);
    await using session = await vmwareDriver.open(lab.connection, lab.secret);
    const stop = new AbortController();
    const states: string[] = [];
    const gone: string[] = [];
    const ended: string[] = [];
    const watching = failure(
      (async () => {
        for await (const change of session.watch(stop.signal)) {
          if (change.type === "put" && change.item.kind === "vm" && change.item.ref === vm.ref)
            states.push(change.item.state);
          if (change.type === "gone" && change.kind === "vm") gone.push(change.ref);
        }
      })(),
    );
    const until = async (test: () => boolean) => {
      for (let i = 0; i < 200 && !test() && ended.length === 0; i += 1) await delay(50);
      expect([test(), ended]).toEqual([true, []]);
    };
    void watching.then((outcome) => ended.push(outcome.code + outcome.text));
    await until(() => states.includes("stopped"));
    await lab.proxy.expireSessions();
    await adapter.power(vm.ref, "start");
    await until(() => states.includes("running"));
    await adapter.remove({ kind: "vm", ref: tag, label: vm.name });
    await until(() => gone.includes(vm.ref));
    const asked = performance.now();
    stop.abort();
    expect((await watching).code).toBe("no error");
    expect(performance.now() - asked).toBeLessThan(2000);
  });

  it("what broke off between two VMs of one deploy is found and removed", async () => {
    const first = await sendNoise(adapter, specOf(pool, name()), 1);
    const second = await sendNoise(adapter, specOf(pool, name()), 2);
    const tag = randomUUID();
    lab.proxy.failNext("MoveVirtualDisk_Task", "FileFault", "The host has a bad day.");
    const outcome = await failure(adapter.createVm(vmSpec(name(), [first.resource, second.resource]), tag));
    expect(outcome.code).toBe("host.refused");
    expect(outcome.text).toContain("bad day");
    await adapter.remove({ kind: "vm", ref: tag, label: "vm" });
    await adapter.remove(second.resource);
    await adapter.remove(first.resource);
    expect((await vmNames()).filter((each) => each.startsWith("fault-"))).toEqual([]);
    for (const { resource } of [first, second])
      expect(await adapter.planDisk(specOf(pool, resource.ref.split("/").at(-1) ?? ""))).toEqual(resource);
  });

  it("leaves alone what it did not make, and disks that somebody hung in", async () => {
    const names = await vmNames();
    await adapter.remove({ kind: "vm", ref: randomUUID(), label: "none" });
    await adapter.remove({ kind: "disk", ref: `${pool}/DC0_H0_VM0`, label: "not ours" });
    expect(await vmNames()).toEqual(names);
    const ours = await sendNoise(adapter, specOf(pool, name()), 1);
    const theirs = await sendNoise(adapter, specOf(pool, name()), 2);
    const tags = [randomUUID(), randomUUID()] as const;
    const made = await adapter.createVm(vmSpec(name(), [ours.resource]), tags[0]);
    const donor = await adapter.createVm(vmSpec(name(), [theirs.resource]), tags[1]);
    const file = donor.disks[0]?.source ?? "";
    const controller = textAt(
      await lab.proxy.backend
        .property({ type: "VirtualMachine", id: made.ref }, "config.hardware.device")
        .then((list) => list?.children.find((each) => each.type === "ParaVirtualSCSIController")),
      "key",
    );
    await lab.proxy.backend.task(
      "ReconfigVM_Task",
      { type: "VirtualMachine", id: made.ref },
      xml`<spec><deviceChange xsi:type="VirtualDeviceConfigSpec"><operation>add</operation><device xsi:type="VirtualDisk"><key>-1</key><backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>${file}</fileName><diskMode>persistent</diskMode></backing><controllerKey>${controller ?? ""}</controllerKey><unitNumber>3</unitNumber><capacityInKB>4096</capacityInKB></device></deviceChange></spec>`,
    );
    expect((await adapter.vm(made.ref)).disks).toHaveLength(2);
    await adapter.remove({ kind: "vm", ref: tags[0], label: made.name });
    const back = await adapter.vm(donor.ref);
    const opened = await adapter.openDisk(back.ref, back.disks[0]?.id ?? "", stillPlan());
    expect(opened.access === "once" && opened.stream.size).toBe(4 * MiB);
    await opened[Symbol.asyncDispose]();
    await adapter.remove({ kind: "vm", ref: tags[1], label: donor.name });
  });
});
