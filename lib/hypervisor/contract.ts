/** One suite for every adapter: what the interface promises, checked on whatever the fixture opens. */
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { openContainer } from "#lib/disk/containers/open.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { ContainerKind } from "#lib/domain/container.ts";
import { InventoryItem, type InventoryChange, type Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { CreatedDisk, DiskSpec, HostDisk, HypervisorAdapter, ResourceRef, VmSpec } from "./adapter.ts";
import { fillDisk } from "./fill-disk.ts";

export interface ContractFixture {
  /** A new session with the same host. */
  open(): Promise<HypervisorAdapter>;
  readonly poolRef: string;
  readonly networkRef: string | null;
  dispose(): Promise<void>;
}

const MiB = 1024 ** 2;

/** 8 MiB with data at both ends and a hole between. */
function testDisk(seed: string): BlockSource {
  const size = 8 * MiB;
  const head = Buffer.alloc(MiB, `head ${seed} `);
  const tail = Buffer.alloc(MiB / 2, `tail ${seed} `);
  const parts = [
    { offset: 0, bytes: head },
    { offset: size - tail.length, bytes: tail },
  ];
  return {
    size,
    async *extents() {
      yield { offset: 0, length: head.length, kind: "data" };
      yield { offset: head.length, length: size - head.length - tail.length, kind: "zero" };
      yield { offset: size - tail.length, length: tail.length, kind: "data" };
    },
    async read(offset, into) {
      into.fill(0);
      for (const part of parts) {
        const from = Math.max(offset, part.offset);
        const to = Math.min(offset + into.length, part.offset + part.bytes.length);
        if (from < to) into.set(part.bytes.subarray(from - part.offset, to - part.offset), from - offset);
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Size and fingerprint of what comes, however it comes. */
async function whatIsIn(opened: HostDisk): Promise<{ size: number; fingerprint: string }> {
  if (opened.access === "random") return { size: opened.disk.size, fingerprint: await fingerprintDisk(opened.disk) };
  const { stream } = opened;
  const bytes = Buffer.alloc(stream.size);
  for await (const piece of stream.pieces()) bytes.set(piece.bytes, piece.offset);
  const disk: BlockSource = {
    size: stream.size,
    async *extents() {
      yield { offset: 0, length: stream.size, kind: "data" };
    },
    async read(offset, into) {
      into.set(bytes.subarray(offset, offset + into.length));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { size: stream.size, fingerprint: await fingerprintDisk(disk) };
}

/** Sends a little and then no more. */
async function giveUp(created: CreatedDisk): Promise<void> {
  if ("sink" in created) {
    await created.sink.write(0, Buffer.alloc(64 * 1024, 1));
    await created.sink[Symbol.asyncDispose]();
    return;
  }
  const stop = new AbortController();
  const file = {
    length: 8 * MiB,
    read: async (offset: number, into: Uint8Array) => {
      if (offset >= MiB) stop.abort(new AppError("cancelled", "cancelled", "Given up."));
      into.fill(1);
    },
  };
  expect(await codeOf(created.pull(file, stop.signal))).toBe("cancelled");
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => (error instanceof AppError ? error.code : `not an AppError: ${String(error)}`),
  );
}

export function describeAdapterContract(name: string, makeFixture: () => Promise<ContractFixture>): void {
  describe(`${name} keeps the adapter contract`, () => {
    let fixture: ContractFixture;
    let adapter: HypervisorAdapter;
    const made: ResourceRef[] = [];

    beforeAll(async () => {
      fixture = await makeFixture();
      adapter = await fixture.open();
    });
    afterAll(async () => {
      for (const resource of made.reverse()) await adapter.remove(resource).catch(() => undefined);
      await adapter[Symbol.asyncDispose]();
      await fixture.dispose();
    });

    const diskSpec = (label: string): DiskSpec => ({
      poolRef: fixture.poolRef,
      name: `contract-${label}-${randomUUID().slice(0, 8)}`,
      format: adapter.capabilities.diskFormats[0]!,
      virtualSize: 8 * MiB,
      fileLength: null,
      placement: {},
    });

    /** A disk made from `testDisk`, and the fingerprint that it must have. */
    async function makeDisk(label: string): Promise<{ resource: ResourceRef; fingerprint: string; spec: DiskSpec }> {
      const disk = testDisk(label);
      const plain = diskSpec(label);
      const { planConversion } = await import("#lib/disk/convert.ts");
      const options = adapter.capabilities.formatOptions[plain.format] ?? {};
      const { fileLength } = await planConversion(disk, plain.format, options);
      const spec = { ...plain, fileLength };
      const planned = await adapter.planDisk(spec);
      const created = await adapter.createDisk(spec);
      made.push(created.resource);
      expect(created.resource).toEqual(planned);
      const intake = adapter.intake(spec.format);
      if ("pull" in created) expect(intake).toBe("by-range");
      else expect(created.sink.seekable).toBe(intake === "any-order");
      const { fingerprint } = await fillDisk(created, { disk, to: spec.format, options });
      return { resource: created.resource, fingerprint, spec };
    }

    async function readBack(resource: ResourceRef, spec: DiskSpec) {
      await using opened = await adapter.openResource(resource, spec.format);
      return await whatIsIn(opened);
    }

    /** Disks as a capture reads them, all of one moment; what that made on the host is removed again. */
    async function captured(vmRef: string, ...diskIds: readonly string[]) {
      const plan = await adapter.planCapture(vmRef, diskIds, randomUUID());
      const found = [];
      try {
        for (const diskId of diskIds) {
          await using opened = await adapter.openDisk(vmRef, diskId, plan);
          found.push(await whatIsIn(opened));
          // One snapshot serves all disks.
          if (plan.ofSnapshot) expect((await adapter.vm(vmRef)).snapshots.length).toBeLessThanOrEqual(1);
        }
      } finally {
        for (const resource of [...plan.resources].reverse()) await adapter.remove(resource);
      }
      expect(plan.resources.filter(({ kind }) => kind === "snapshot")).toHaveLength(plan.ofSnapshot ? 1 : 0);
      expect(new Set(plan.resources.map(({ kind, ref }) => `${kind} ${ref}`)).size).toBe(plan.resources.length);
      expect((await adapter.vm(vmRef)).snapshots).toEqual([]);
      return found;
    }

    /** Each disk in the package that the host makes of the VM, in the machine's order. */
    async function packed(vmRef: string, kind: ContainerKind, diskIds: readonly string[]) {
      const plan = await adapter.planCapture(vmRef, diskIds, randomUUID());
      using scratch = new Scratch();
      const path = scratch.path(`vm.${kind}`);
      try {
        await using opened = await adapter.packages!.open(vmRef, kind, plan);
        await writeFile(path, opened.bytes);
      } finally {
        for (const resource of [...plan.resources].reverse()) await adapter.remove(resource);
      }
      expect((await adapter.vm(vmRef)).snapshots).toEqual([]);
      await using image = await openImageFile(path);
      await using container = await openContainer(image);
      expect(container).toMatchObject({ kind, hints: { cpus: 1, memory: 256 * MiB } });
      const found = [];
      for (const each of container?.disks ?? []) {
        await using inside = await each.open({});
        found.push({ size: inside.disk.size, fingerprint: await fingerprintDisk(inside.disk) });
      }
      return found;
    }

    const vmSpec = (vmName: string, ...disks: readonly ResourceRef[]): VmSpec => {
      const { capabilities } = adapter;
      const firmware = capabilities.firmware.find((choice) => choice.available)!;
      return {
        name: vmName,
        cpus: 1,
        memory: 256 * MiB,
        firmware: firmware.firmware,
        secureBoot: false,
        guest: null,
        placement: {},
        disks: disks.map((resource) => ({
          resource,
          format: capabilities.diskFormats[0]!,
          bus: firmware.bootBuses[0]!,
        })),
        nics:
          fixture.networkRef === null
            ? []
            : [{ networkRef: fixture.networkRef, model: capabilities.nics[0]!, mac: null }],
        description: "made by the contract suite",
      };
    };

    async function makeVm(
      vmName: string,
    ): Promise<{ vm: Vm; disk: ResourceRef; tag: string; resource: ResourceRef; fingerprint: string }> {
      const { resource: disk, fingerprint } = await makeDisk("vm");
      const tag = randomUUID();
      const spec = vmSpec(vmName, disk);
      const resource = adapter.planVm(spec, tag);
      made.push(resource);
      return { vm: await adapter.createVm(spec, tag), disk, tag, resource, fingerprint };
    }

    /** A host that runs no VMs says so, and leaves the VM as it was. True: it runs now. */
    async function starts(vm: Vm): Promise<boolean> {
      const { canStartVms, whyNotStart } = adapter.capabilities;
      if (canStartVms) {
        await adapter.power(vm.ref, "start");
        return true;
      }
      expect(whyNotStart).toMatch(/\S/);
      expect(await codeOf(adapter.power(vm.ref, "start"))).toBe("host.cannot-start");
      expect((await adapter.vm(vm.ref)).state).toBe("stopped");
      return false;
    }

    it("tells what the host can take", () => {
      expect(HostCapabilities.parse(adapter.capabilities)).toEqual(adapter.capabilities);
      expect(adapter.capabilities.firmware.some((choice) => choice.available)).toBe(true);
    });

    it("lists the host first, then pools, networks and VMs, all by the schema", async () => {
      const items: InventoryItem[] = [];
      for await (const item of adapter.inventory()) items.push(InventoryItem.parse(item));
      expect(items[0]?.kind).toBe("host");
      const order = ["host", "pool", "network", "vm"];
      expect(items.map((item) => order.indexOf(item.kind))).toEqual(
        [...items.map((item) => order.indexOf(item.kind))].sort((a, b) => a - b),
      );
      expect(items.some((item) => item.kind === "pool" && item.ref === fixture.poolRef && item.writable)).toBe(true);
      expect(new Set(items.map((item) => `${item.kind} ${item.ref}`)).size).toBe(items.length);
    });

    it("gives back exactly the bytes that were written", async () => {
      const { resource, fingerprint, spec } = await makeDisk("bytes");
      expect(await readBack(resource, spec)).toEqual({ size: 8 * MiB, fingerprint });
    });

    it("refuses a disk whose name is taken, before anything is made", async () => {
      const { spec, resource, fingerprint } = await makeDisk("taken");
      expect(await codeOf(adapter.planDisk(spec))).toBe("disk.exists");
      expect(await readBack(resource, spec)).toEqual({ size: 8 * MiB, fingerprint });
    });

    it("refuses a pool that is not there", async () => {
      expect(await codeOf(adapter.planDisk({ ...diskSpec("nowhere"), poolRef: "no such pool" }))).toBe(
        "pool.not-found",
      );
    });

    it("leaves nothing after an upload that was given up and removed", async () => {
      const spec = { ...diskSpec("given-up"), fileLength: 8 * MiB };
      const created = await adapter.createDisk(spec);
      await giveUp(created);
      await adapter.remove(created.resource);
      expect(await adapter.planDisk(spec)).toEqual(created.resource);
    });

    it("makes two disks side by side", async () => {
      const [a, b] = await Promise.all([makeDisk("left"), makeDisk("right")]);
      for (const each of [a, b]) {
        expect((await readBack(each.resource, each.spec)).fingerprint).toBe(each.fingerprint);
      }
      expect(a.fingerprint).not.toBe(b.fingerprint);
    });

    it("makes one VM a tag, and refuses another of the same name", async () => {
      const { vm, disk, tag } = await makeVm(`contract-${randomUUID().slice(0, 8)}`);
      expect(vm).toMatchObject({ state: "stopped", cpus: 1, memory: 256 * MiB, tag });
      expect(vm.disks).toHaveLength(1);
      const again = await adapter.createVm(vmSpec(vm.name, disk), tag);
      expect(again.ref).toBe(vm.ref);
      expect(await codeOf(adapter.createVm(vmSpec(vm.name, disk), randomUUID()))).toBe("vm.exists");
      expect((await adapter.vm(vm.ref)).name).toBe(vm.name);
    });

    it("makes a VM with Secure Boot where it offers that", async () => {
      const offered = adapter.capabilities.firmware.find((choice) => choice.available && choice.secureBoot);
      if (offered === undefined) return;
      const { resource: disk } = await makeDisk("secure");
      const spec: VmSpec = {
        ...vmSpec(`contract-${randomUUID().slice(0, 8)}`, disk),
        firmware: offered.firmware,
        secureBoot: true,
      };
      const withBus = { ...spec, disks: spec.disks.map((each) => ({ ...each, bus: offered.bootBuses[0]! })) };
      const tag = randomUUID();
      made.push(adapter.planVm(withBus, tag));
      const vm = await adapter.createVm(withBus, tag);
      expect(vm).toMatchObject({ firmware: offered.firmware, secureBoot: true });
    });

    it("takes names with blanks, quotes, brackets and other letters", async () => {
      const name = `Web "1" & <ünïcode> 東京 ' ${randomUUID().slice(0, 8)}`;
      const { vm } = await makeVm(name);
      expect((await adapter.vm(vm.ref)).name).toBe(name);
    });

    it("starts and stops a VM, and lends its disk in the state of one moment", async () => {
      const { vm, fingerprint } = await makeVm(`contract-${randomUUID().slice(0, 8)}`);
      const diskId = vm.disks[0]!.id;
      expect(await captured(vm.ref, diskId)).toEqual([{ size: 8 * MiB, fingerprint }]);
      const before = await adapter.planCapture(vm.ref, [diskId], randomUUID());
      if (!(await starts(vm))) return;
      expect((await adapter.vm(vm.ref)).state).toBe("running");
      if (adapter.capabilities.captureRunning) {
        expect(await captured(vm.ref, diskId)).toEqual([{ size: 8 * MiB, fingerprint }]);
      } else {
        expect(await codeOf(adapter.planCapture(vm.ref, [diskId], randomUUID()))).toBe("vm.running");
      }
      // Who planned while it stood still knows of nothing that reading a running one would make.
      expect(await codeOf(adapter.openDisk(vm.ref, diskId, before))).toBe("vm.running");
      expect((await adapter.vm(vm.ref)).snapshots).toEqual([]);
      await adapter.power(vm.ref, "stop");
      expect((await adapter.vm(vm.ref)).state).toBe("stopped");
    });

    it("lends all disks of a VM in the state of one moment, whatever becomes of it meanwhile", async () => {
      const [boot, data] = [await makeDisk("boot"), await makeDisk("data")];
      const spec = vmSpec(`contract-${randomUUID().slice(0, 8)}`, boot.resource, data.resource);
      const tag = randomUUID();
      made.push(adapter.planVm(spec, tag));
      const vm = await adapter.createVm(spec, tag);
      const ids = vm.disks.map(({ id }) => id);
      const both = [boot, data].map(({ fingerprint }) => ({ size: 8 * MiB, fingerprint }));
      expect(ids).toHaveLength(2);
      expect(await captured(vm.ref, ...ids)).toEqual(both);
      expect(await captured(vm.ref, ...[...ids].reverse())).toEqual([...both].reverse());
      expect(await codeOf(adapter.planCapture(vm.ref, [ids[0]!, "no such disk"], randomUUID()))).toBe("disk.not-found");
      for (const kind of adapter.capabilities.packages) expect(await packed(vm.ref, kind, ids)).toEqual(both);
      if (!adapter.capabilities.captureRunning || !(await starts(vm))) return;
      expect(await captured(vm.ref, ...ids)).toEqual(both);
      for (const kind of adapter.capabilities.packages) expect(await packed(vm.ref, kind, ids)).toEqual(both);
      // The snapshot that the first disk was read from is the second one's too, though the VM has stopped.
      const plan = await adapter.planCapture(vm.ref, ids, randomUUID());
      expect(plan.ofSnapshot).toBe(true);
      try {
        for (const [i, id] of ids.entries()) {
          await using opened = await adapter.openDisk(vm.ref, id, plan);
          expect(await whatIsIn(opened)).toEqual(both[i]);
          if (i === 0) await adapter.power(vm.ref, "stop");
        }
      } finally {
        for (const resource of [...plan.resources].reverse()) await adapter.remove(resource);
      }
      expect((await adapter.vm(vm.ref)).snapshots).toEqual([]);
    });

    it("removes what it made, also twice, also while it runs", async () => {
      const { vm, disk, resource } = await makeVm(`contract-${randomUUID().slice(0, 8)}`);
      await starts(vm);
      await adapter.remove(resource);
      await adapter.remove(resource);
      await adapter.remove(disk);
      await adapter.remove(disk);
      expect(await codeOf(adapter.vm(vm.ref))).toBe("vm.not-found");
    });

    it("tells another session of a VM that appears, starts and goes", async () => {
      await using watcher = await fixture.open();
      const stop = new AbortController();
      const seen: InventoryChange[] = [];
      const watching = (async () => {
        for await (const change of watcher.watch(stop.signal)) seen.push(change);
      })();
      const { vm, resource } = await makeVm(`contract-${randomUUID().slice(0, 8)}`);
      const sees = async (what: string, test: (change: InventoryChange) => boolean) => {
        for (let i = 0; i < 100; i += 1) {
          if (seen.some(test)) return;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        throw new Error(`the watch never told: ${what}`);
      };
      const put = (change: InventoryChange): Vm | null =>
        change.type === "put" && change.item.kind === "vm" && change.item.ref === vm.ref ? change.item : null;
      await sees("appeared", (change) => put(change) !== null);
      if (await starts(vm)) await sees("running", (change) => put(change)?.state === "running");
      await adapter.remove(resource);
      await sees("gone", (change) => change.type === "gone" && change.ref === vm.ref);
      stop.abort();
      await watching;
    });
  });
}
