import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Vm } from "#lib/domain/inventory.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import { textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import type {
  CapturePlan,
  CreatedDisk,
  DiskSpec,
  HostDisk,
  HypervisorAdapter,
  Intake,
  ResourceRef,
  VmSpec,
} from "../adapter.ts";
import { coresPerSocket } from "../cpu-sockets.ts";
import { readOffer, type Offer } from "./capabilities.ts";
import { readVmDisk } from "./capture.ts";
import { diskRef, findCarrier, importCarrier, requireFree } from "./carrier.ts";
import { composeVm, vmExists } from "./compose-vm.ts";
import { NO_OPTIONS } from "./config-options.ts";
import { exportDisk } from "./export-disk.ts";
import { childOf } from "./find-vm.ts";
import { guestIdOf } from "./guest-id.ts";
import { readInfrastructure, type Infrastructure } from "./infrastructure.ts";
import { mapVm, VM_PATHS } from "./map-vm.ts";
import { escapedName } from "./name.ts";
import { hostCoresOf, placeFor, type Place } from "./place.ts";
import { propertiesOf } from "./properties.ts";
import { questionOf } from "./question.ts";
import { ref, type Ref } from "./ref.ts";
import { findByTag, removeDisk, removeVm } from "./remove.ts";
import { removeSnapshot, snapshotRef } from "./snapshot.ts";
import { runTask } from "./task.ts";
import { leaseSink } from "./upload.ts";
import type { VimClient } from "./vim-client.ts";
import { asAppError, isFault } from "./vim-fault.ts";
import { readInventory, watchInventory, type Begun } from "./watch.ts";

/** How long what is known of hosts, folders and datastores is taken for true. */
const FRESH_MS = 10_000;
/** A full inventory that nobody follows up is forgotten: the host keeps its changes for us meanwhile. */
const UNCLAIMED_MS = 60_000;

const ORDER: Readonly<Record<PowerAction, { readonly method: string; readonly task: boolean }>> = {
  start: { method: "PowerOnVM_Task", task: true },
  stop: { method: "PowerOffVM_Task", task: true },
  reset: { method: "ResetVM_Task", task: true },
  // vSphere has no pause that keeps memory in place.
  pause: { method: "SuspendVM_Task", task: true },
  resume: { method: "PowerOnVM_Task", task: true },
  shutdown: { method: "ShutdownGuest", task: false },
  reboot: { method: "RebootGuest", task: false },
};

const never = new AbortController().signal;

export class VsphereAdapter implements HypervisorAdapter {
  readonly #client: VimClient;
  #infra: Infrastructure;
  #infraAt = Date.now();
  #offer: Offer;
  #begun: Begun | null = null;
  #unclaimed: NodeJS.Timeout | null = null;

  private constructor(client: VimClient, infra: Infrastructure, offer: Offer) {
    this.#client = client;
    this.#infra = infra;
    this.#offer = offer;
  }

  static async open(client: VimClient, signal?: AbortSignal): Promise<VsphereAdapter> {
    const infra = await readInfrastructure(client, { signal });
    return new VsphereAdapter(client, infra, await readOffer(client, infra, { signal }));
  }

  get capabilities(): HostCapabilities {
    return this.#offer.capabilities;
  }

  async refreshCapabilities(signal?: AbortSignal): Promise<HostCapabilities> {
    return this.#told(`Asking ${this.#client.name} what it can take`, async () => {
      this.#infra = await readInfrastructure(this.#client, { signal });
      this.#infraAt = Date.now();
      this.#offer = await readOffer(this.#client, this.#infra, { signal });
      return this.capabilities;
    });
  }

  async *inventory(signal?: AbortSignal): AsyncIterable<InventoryItem> {
    try {
      yield* readInventory(this.#client, (begun) => this.#offerBegun(begun), signal ?? never);
    } catch (error) {
      throw asAppError(error, `Reading the inventory of ${this.#client.name}`);
    }
  }

  /** The watch that comes goes on where this inventory ended. */
  #offerBegun(begun: Begun): void {
    this.#dropBegun();
    this.#begun = begun;
    this.#unclaimed = setTimeout(() => this.#dropBegun(), UNCLAIMED_MS);
    this.#unclaimed.unref();
  }

  #dropBegun(): void {
    if (this.#unclaimed !== null) clearTimeout(this.#unclaimed);
    this.#begun?.feed[Symbol.asyncDispose]().catch(() => undefined);
    this.#begun = null;
  }

  #takeBegun(): Begun | null {
    const begun = this.#begun;
    if (this.#unclaimed !== null) clearTimeout(this.#unclaimed);
    this.#begun = null;
    return begun;
  }

  async *watch(signal: AbortSignal): AsyncIterable<InventoryChange> {
    try {
      yield* watchInventory(this.#client, this.#takeBegun(), signal);
    } catch (error) {
      if (!signal.aborted) throw asAppError(error, `Following the changes of ${this.#client.name}`);
    }
  }

  async #told<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asAppError(error, doing);
    }
  }

  /** `wanted`: ids that must be known; an unknown one is looked for anew. */
  async #structure(signal?: AbortSignal): Promise<Infrastructure> {
    if (Date.now() - this.#infraAt > FRESH_MS) {
      this.#infra = await readInfrastructure(this.#client, { signal });
      this.#infraAt = Date.now();
    }
    return this.#infra;
  }

  async #read(vm: Ref, signal?: AbortSignal): Promise<{ vm: Vm; devices: readonly Element[] }> {
    const values = await propertiesOf(this.#client, vm, VM_PATHS, { signal });
    return {
      vm: mapVm({ ref: vm, values }, await this.#structure(signal)),
      devices: values.get("config.hardware.device")?.children ?? [],
    };
  }

  async #vm(id: string, signal?: AbortSignal): Promise<{ vm: Vm; devices: readonly Element[] }> {
    try {
      return await this.#read(ref("VirtualMachine", id), signal);
    } catch (error) {
      if (isFault(error, "ManagedObjectNotFound"))
        throw new AppError("not-found", "vm.not-found", `There is no VM ${id} on this host.`, { cause: error });
      throw asAppError(error, `Looking at the VM ${id}`);
    }
  }

  async vm(id: string, signal?: AbortSignal): Promise<Vm> {
    return (await this.#vm(id, signal)).vm;
  }

  async power(id: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
    const { vm } = await this.#vm(id, signal);
    const allowed = canPower(vm, action);
    if (allowed !== true) throw new AppError("conflict", "host.refused", allowed.reason);
    const { method, task } = ORDER[action];
    const self = ref("VirtualMachine", id);
    await this.#told(`${action} of ${vm.name}`, async () => {
      // Being switched off goes on whatever the VM asks.
      const asks = action === "start" || action === "resume" || action === "pause";
      const meanwhile = asks ? () => this.#requireNoQuestion(self, vm.name, signal) : async () => undefined;
      if (task) await runTask(this.#client, method, self, xml``, { signal, goesOn: "late", meanwhile });
      else await this.#client.call(method, self, xml``, { signal });
    });
  }

  /** Throws `vm.question`: what was ordered waits for somebody to answer. */
  async #requireNoQuestion(vm: Ref, name: string, signal?: AbortSignal): Promise<void> {
    const question = questionOf(
      (await propertiesOf(this.#client, vm, ["runtime.question"], { signal })).get("runtime.question"),
    );
    if (question === null) return;
    throw new AppError("conflict", "vm.question", `${name} waits for an answer: ${question.text}`, {
      hint: `Answer it in the vSphere Client${question.choices.length === 0 ? "" : ` (${question.choices.join(", ")})`}; ${name} goes on then.`,
    });
  }

  async planCapture(id: string, diskIds: readonly string[], tag: string, signal?: AbortSignal): Promise<CapturePlan> {
    const { vm, devices } = await this.#vm(id, signal);
    for (const diskId of diskIds) capturable(vm, devices, diskId);
    if (vm.state === "stopped") return { tag, ofSnapshot: false, resources: [], marks: {} };
    const resources = [{ kind: "snapshot", ref: snapshotRef(id, tag), label: `snapshot of ${vm.name}` }] as const;
    return { tag, ofSnapshot: true, resources, marks: {} };
  }

  async openDisk(id: string, diskId: string, plan: CapturePlan, signal?: AbortSignal): Promise<HostDisk> {
    const { vm, devices } = await this.#vm(id, signal);
    const disk = capturable(vm, devices, diskId);
    const doing = `Reading ${textAt(disk, "backing", "fileName") ?? diskId} of ${vm.name}`;
    return this.#told(doing, () => readVmDisk(this.#client, this.#infra, { vm, devices, disk, plan, doing }, signal));
  }

  async openResource(resource: ResourceRef, _format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk> {
    const doing = `Reading back ${resource.label}`;
    return this.#told(doing, async () => {
      const carrier = await findCarrier(this.#client, resource.ref, { signal });
      const devices = carrier === null ? [] : (await this.#read(carrier, signal)).devices;
      const disk = devices.find((device) => device.type === "VirtualDisk");
      if (carrier === null || disk === undefined)
        throw new AppError("not-found", "disk.not-found", `${resource.label} is not on the host.`);
      return exportDisk(this.#client, carrier, devices, disk, doing, signal);
    });
  }

  /** Looked up anew when something named is not known: it may be new. */
  async #place(poolRef: string, placement: DiskSpec["placement"], signal?: AbortSignal): Promise<Place> {
    const infra = await this.#structure(signal);
    if (infra.datastores.has(poolRef)) return placeFor(infra, poolRef, placement);
    this.#infraAt = 0;
    return placeFor(await this.#structure(signal), poolRef, placement);
  }

  async planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    return this.#told(`Looking for room for ${spec.name} on ${this.#client.name}`, async () => {
      if (spec.format !== "vmdk")
        throw new AppError("unprocessable", "host.refused", `vSphere takes no ${spec.format} disks.`);
      const place = await this.#place(spec.poolRef, spec.placement, signal);
      await requireFree(this.#client, spec, place, { signal });
      return diskRef(spec);
    });
  }

  async createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<CreatedDisk> {
    const resource = await this.planDisk(spec, signal);
    const place = await this.#place(spec.poolRef, spec.placement, signal);
    const lease = await importCarrier(this.#client, spec, place, signal);
    const device = lease.devices.find((each) => each.isDisk);
    if (device === undefined) {
      await lease[Symbol.asyncDispose]();
      throw new AppError(
        "unprocessable",
        "host.refused",
        `${this.#client.name} gave no address for the disk ${spec.name}.`,
      );
    }
    return { resource, sink: await leaseSink(lease, device, spec.virtualSize, signal) };
  }

  intake(): Intake {
    return "in-order";
  }

  planVm(spec: VmSpec, tag: string): ResourceRef {
    return { kind: "vm", ref: tag, label: `VM ${spec.name}` };
  }

  async createVm(spec: VmSpec, tag: string, signal?: AbortSignal): Promise<Vm> {
    return this.#told(`Making the VM ${spec.name} on ${this.#client.name}`, async () => {
      const there = await findByTag(this.#client, tag, { signal });
      if (there !== null) return (await this.#read(there, signal)).vm;
      const [first] = spec.disks;
      if (first === undefined)
        throw new AppError("unprocessable", "host.refused", "A VM on vSphere is made from at least one disk.");
      const place = await this.#place(
        first.resource.ref.slice(0, first.resource.ref.lastIndexOf("/")),
        spec.placement,
        signal,
      );
      if ((await childOf(this.#client, place.folder, escapedName(spec.name), { signal })) !== null)
        throw vmExists(spec.name);
      const known = this.#offer.options.get(place.compute.ref.id) ?? NO_OPTIONS;
      const work = {
        client: this.#client,
        infra: this.#infra,
        guestId: guestIdOf(spec.guest, known.guestIds),
        coresPerSocket: coresPerSocket(spec.cpus, {
          hostCores: hostCoresOf(this.#infra, place),
          windows: spec.guest?.family === "windows",
          mostCores: known.maxCores,
        }),
        options: { signal },
      };
      const made = await composeVm(work, spec, tag);
      return (await this.#read(made, signal)).vm;
    });
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    await this.#told(`Removing ${resource.label}`, async () => {
      if (resource.kind === "snapshot") return removeSnapshot(this.#client, resource.ref, { signal });
      const infra = await this.#structure(signal);
      if (resource.kind === "disk") return removeDisk(this.#client, infra, resource.ref, { signal });
      return removeVm(this.#client, infra, resource.ref, { signal });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#takeBegun();
    // What the session holds on the host ends with it.
    await this.#client[Symbol.asyncDispose]();
  }
}

/** Throws `disk.not-found`, `disk.cannot-capture`. */
function capturable(vm: Vm, devices: readonly Element[], diskId: string): Element {
  const disk = vm.disks.find((each) => each.id === diskId);
  const device = devices.find((each) => each.type === "VirtualDisk" && textAt(each, "key") === diskId);
  if (disk === undefined || device === undefined)
    throw new AppError("not-found", "disk.not-found", `${vm.name} has no disk “${diskId}”.`);
  if (disk.captureBlocker !== null) throw new AppError("unprocessable", "disk.cannot-capture", disk.captureBlocker);
  return device;
}
