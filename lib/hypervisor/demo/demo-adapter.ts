import { setTimeout as delay } from "node:timers/promises";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { BlockSource } from "#lib/disk/block-source.ts";
import type { PowerAction, Vendor } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Network, Vm, VmDisk } from "#lib/domain/inventory.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import type {
  CapturePlan,
  DiskSpec,
  HostDisk,
  HypervisorAdapter,
  Intake,
  PackageExport,
  PushedDisk,
  ResourceRef,
  VmSpec,
} from "../adapter.ts";
import { openImageDisk } from "../image-disk.ts";
import { Told } from "../told.ts";
import { DemoPools } from "./pools.ts";
import { packVm } from "./pack-vm.ts";
import type { DemoProduct } from "./products.ts";
import { seedVms } from "./seed.ts";
import { DemoStore } from "./state.ts";

/** How long a simulated machine takes to change its state. */
const POWER_MS = 400;
const WATCH_MS = 300;
/** Free space changes without an event, as on real hosts. */
const POOLS_EVERY = 10;

const NEXT_STATE: Record<PowerAction, Vm["state"]> = {
  start: "running",
  resume: "running",
  reboot: "running",
  reset: "running",
  shutdown: "stopped",
  stop: "stopped",
  pause: "paused",
};

export class DemoAdapter implements HypervisorAdapter {
  readonly capabilities: HostCapabilities;
  readonly #vendor: Vendor;
  readonly #product: DemoProduct;
  readonly #store: DemoStore;
  readonly #pools: DemoPools;

  constructor(folder: string, vendor: Vendor, product: DemoProduct) {
    this.#vendor = vendor;
    this.#product = product;
    this.capabilities = product.capabilities;
    this.#store = new DemoStore(folder);
    this.#pools = new DemoPools(folder, product);
  }

  /** Makes the host the first time; of several at once one does. */
  async prepare(): Promise<void> {
    await this.#pools.prepare();
    if ((await this.#store.read()) !== null) return;
    await this.#store.change(async (state) => {
      if (state.revision === 0) state.vms = await seedVms(this.#vendor, this.#product, this.#pools);
    });
  }

  async refreshCapabilities(): Promise<HostCapabilities> {
    return this.capabilities;
  }

  async #vms(): Promise<Vm[]> {
    return (await this.#store.read())?.vms ?? [];
  }

  #networks(): Network[] {
    return this.#product.networks.map((network) => ({
      kind: "network",
      ref: network.name,
      name: network.name,
      type: network.type,
      active: network.active,
      bridge: null,
    }));
  }

  async *inventory(signal?: AbortSignal): AsyncIterable<InventoryItem> {
    signal?.throwIfAborted();
    const vms = await this.#vms();
    const used = vms.filter((vm) => vm.state === "running").reduce((sum, vm) => sum + (vm.memory ?? 0), 0);
    yield {
      kind: "host",
      ref: this.#product.hostName,
      name: this.#product.hostName,
      product: this.#product.product,
      version: this.#product.version,
      cpus: this.#product.cpus,
      cpuModel: this.#product.cpuModel,
      arch: "x86_64",
      memory: this.#product.memory,
      memoryFree: Math.max(0, this.#product.memory - used),
    };
    yield* await this.#pools.list();
    yield* this.#networks();
    yield* vms;
  }

  async *watch(signal: AbortSignal): AsyncIterable<InventoryChange> {
    // Begins with a full set, so nothing between inventory() and here is missed.
    const told = new Told();
    let round = 0;
    let revision = -1;
    while (!signal.aborted) {
      const state = await this.#store.read();
      const changed = state !== null && state.revision !== revision;
      if (changed || round % POOLS_EVERY === 0) {
        revision = state?.revision ?? revision;
        yield* told.refresh(this.inventory());
      }
      round += 1;
      await delay(WATCH_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async vm(ref: string): Promise<Vm> {
    const vm = (await this.#vms()).find((candidate) => candidate.ref === ref);
    if (vm === undefined) throw noVm(ref);
    return vm;
  }

  async power(ref: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
    const before = await this.vm(ref);
    const allowed = canPower(before, action);
    if (allowed !== true) throw new AppError("conflict", "host.refused", allowed.reason);
    await delay(POWER_MS, undefined, { signal }).catch(() => {
      throw signal?.reason ?? new AppError("cancelled", "cancelled", "The work was cancelled.");
    });
    await this.#store.change((state) => {
      const vm = state.vms.find((candidate) => candidate.ref === ref);
      if (vm === undefined) throw noVm(ref);
      vm.state = NEXT_STATE[action];
      vm.startedAt = vm.state === "stopped" ? null : (vm.startedAt ?? new Date().toISOString());
    });
  }

  #captured(vm: Vm, diskId: string, signal?: AbortSignal): VmDisk & { source: string } {
    signal?.throwIfAborted();
    const disk = vm.disks.find((candidate) => candidate.id === diskId);
    if (disk?.source == null) throw new AppError("not-found", "disk.not-found", `${vm.name} has no disk “${diskId}”.`);
    if (disk.captureBlocker !== null) throw new AppError("unprocessable", "disk.cannot-capture", disk.captureBlocker);
    if (vm.state !== "stopped" && !this.capabilities.captureRunning) throw running(vm);
    return { ...disk, source: disk.source };
  }

  async planCapture(ref: string, diskIds: readonly string[], tag: string, signal?: AbortSignal): Promise<CapturePlan> {
    const vm = await this.vm(ref);
    for (const diskId of diskIds) this.#captured(vm, diskId, signal);
    if (vm.state === "stopped") return { tag, ofSnapshot: false, resources: [], marks: {} };
    return { tag, ofSnapshot: true, resources: [this.#pools.planSnapshot(tag, vm.name)], marks: {} };
  }

  async openDisk(ref: string, diskId: string, plan: CapturePlan, signal?: AbortSignal): Promise<HostDisk> {
    const vm = await this.vm(ref);
    const { source, format } = this.#captured(vm, diskId, signal);
    if (!plan.ofSnapshot && vm.state !== "stopped") throw running(vm);
    const all = vm.disks.flatMap((disk) => (disk.source === null ? [] : [disk.source]));
    if (plan.ofSnapshot) await this.#pools.snapshot(all, plan.tag);
    const read = plan.ofSnapshot ? this.#pools.inSnapshot(source, plan.tag) : source;
    return openImageDisk(await openImageFile(this.#pools.diskPath(read)), format, signal);
  }

  readonly packages: PackageExport = {
    open: async (ref, kind, plan, signal) => {
      const vm = await this.vm(ref);
      if (!this.capabilities.packages.includes(kind))
        throw new AppError("unprocessable", "host.refused", `${this.#product.product} makes no such package.`);
      await using stack = new AsyncDisposableStack();
      const disks: BlockSource[] = [];
      for (const { id } of vm.disks) {
        const opened = stack.use(await this.openDisk(ref, id, plan, signal));
        if (opened.access === "random") disks.push(opened.disk);
      }
      const held = stack.move();
      return packVm(vm, disks, () => held.disposeAsync(), signal);
    },
  };

  async openResource(resource: ResourceRef, format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk> {
    return openImageDisk(await openImageFile(this.#pools.diskPath(resource.ref)), format, signal);
  }

  async planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    signal?.throwIfAborted();
    if (!this.capabilities.diskFormats.includes(spec.format)) {
      throw new AppError("unprocessable", "host.refused", `${this.#product.product} takes no ${spec.format} disks.`);
    }
    return this.#pools.plan(spec);
  }

  async createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<PushedDisk> {
    const resource = await this.planDisk(spec, signal);
    return { resource, sink: await this.#pools.create(spec, resource) };
  }

  intake(): Intake {
    return "any-order";
  }

  planVm(spec: VmSpec, tag: string): ResourceRef {
    return { kind: "vm", ref: tag, label: `VM ${spec.name}` };
  }

  async createVm(spec: VmSpec, tag: string, signal?: AbortSignal): Promise<Vm> {
    signal?.throwIfAborted();
    const networks = this.#networks();
    for (const nic of spec.nics) {
      if (!networks.some((network) => network.ref === nic.networkRef)) {
        throw new AppError("not-found", "network.not-found", `There is no network “${nic.networkRef}” on this host.`);
      }
    }
    const capacities = await Promise.all(spec.disks.map((disk) => this.#capacity(disk.resource.ref, disk.format)));
    return this.#store.change((state) => {
      const same = state.vms.find((vm) => vm.ref === tag);
      if (same !== undefined) return same;
      if (state.vms.some((vm) => vm.name === spec.name)) {
        throw new AppError("conflict", "vm.exists", `There is a VM “${spec.name}” on this host already.`, {
          hint: "Choose another name.",
        });
      }
      const vm: Vm = {
        kind: "vm",
        ref: tag,
        name: spec.name,
        state: "stopped",
        cpus: spec.cpus,
        memory: spec.memory,
        firmware: spec.firmware,
        secureBoot: spec.secureBoot,
        guestOs: null,
        machine: this.#product.machine,
        description: spec.description,
        startedAt: null,
        disks: spec.disks.map((disk, index) => ({
          id: `disk${index}`,
          label: `Disk ${index + 1}`,
          bus: disk.bus,
          source: disk.resource.ref,
          storageRef: disk.resource.ref.slice(0, disk.resource.ref.lastIndexOf("/")),
          format: disk.format,
          capacity: capacities[index] ?? null,
          allocated: null,
          readOnly: false,
          captureBlocker: null,
        })),
        nics: spec.nics.map((nic, index) => ({
          id: `nic${index}`,
          mac: nic.mac ?? `02:5a:${tag.slice(0, 2)}:${tag.slice(2, 4)}:${tag.slice(4, 6)}:${tag.slice(6, 8)}`,
          model: nic.model,
          modelRaw: null,
          networkRef: nic.networkRef,
          networkName: nic.networkRef,
          connected: true,
          addresses: [],
        })),
        snapshots: [],
        tag,
      };
      state.vms.push(vm);
      return vm;
    });
  }

  /** Null: what lies there is no such disk. */
  async #capacity(ref: string, format: DiskFormatId): Promise<number | null> {
    try {
      await using opened = await this.openResource({ kind: "disk", ref, label: ref }, format);
      return opened.access === "random" ? opened.disk.size : null;
    } catch {
      return null;
    }
  }

  async remove(resource: ResourceRef): Promise<void> {
    if (resource.kind === "snapshot") {
      await this.#pools.removeSnapshot(resource.ref);
      return;
    }
    if (resource.kind !== "vm") {
      await this.#pools.remove(resource.ref);
      return;
    }
    await this.#store.change((state) => {
      state.vms = state.vms.filter((vm) => vm.ref !== resource.ref);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held open: every call reads the host's files anew.
  }
}

function running({ name, state }: Vm): AppError {
  return new AppError("conflict", "vm.running", `${name} is ${state}: its disks would be inconsistent.`, {
    hint: "Shut the VM down first.",
  });
}

function noVm(ref: string): AppError {
  return new AppError("not-found", "vm.not-found", `There is no VM ${ref} on this host.`);
}
