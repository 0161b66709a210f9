/** A host behind libvirt; what its hypervisor does otherwise is in the product. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Network, StoragePool, Vm, VmDisk } from "#lib/domain/inventory.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import type {
  CapturePlan,
  DiskSpec,
  HostDisk,
  HypervisorAdapter,
  Intake,
  PushedDisk,
  ResourceRef,
  VmSpec,
} from "../adapter.ts";
import { openImageDisk } from "../image-disk.ts";
import type { LibvirtClient } from "./client.ts";
import { type HostNetwork, hostNetworksIn } from "./host-network.ts";
import { GuestAddresses } from "./inventory/guest-addresses.ts";
import { readHostFacts } from "./inventory/host-facts.ts";
import { readNetworks } from "./inventory/networks.ts";
import { readPools } from "./inventory/pools.ts";
import { completeVm, describeVm } from "./inventory/read-vm.ts";
import { asAppError, isCode } from "./libvirt-error.ts";
import { ERROR } from "./procedures.ts";
import type { LibvirtHost, LibvirtProduct } from "./product.ts";
import type { DomainRef } from "./types.ts";
import type { DiskPlace } from "./storage/disk-place.ts";
import { DiskPlaces } from "./storage/disk-places.ts";
import { parseRef } from "./storage/disk-ref.ts";
import { LibvirtVolumes } from "./storage/volumes.ts";
import { LibvirtWatch } from "./inventory/watch.ts";

export class LibvirtAdapter<Host extends LibvirtHost> implements HypervisorAdapter {
  readonly #client: LibvirtClient;
  readonly #product: LibvirtProduct<Host>;
  readonly #volumes: LibvirtVolumes;
  readonly #watch: LibvirtWatch;
  readonly #places: DiskPlaces;
  readonly #addresses: GuestAddresses;
  /** What guests hang on beside libvirt's networks, as last seen. */
  #seen: readonly HostNetwork[] = [];
  #host: Host;

  private constructor(client: LibvirtClient, product: LibvirtProduct<Host>, host: Host) {
    this.#client = client;
    this.#product = product;
    this.#host = host;
    this.#volumes = new LibvirtVolumes(client, product);
    this.#watch = new LibvirtWatch(client);
    this.#places = new DiskPlaces(client);
    this.#addresses = new GuestAddresses(client);
  }

  /** Owns the client from now on. Throws `host.no-hypervisor` and what libvirt refuses. */
  static async open<Host extends LibvirtHost>(
    client: LibvirtClient,
    product: LibvirtProduct<Host>,
    signal?: AbortSignal,
  ): Promise<LibvirtAdapter<Host>> {
    try {
      const adapter = new LibvirtAdapter(client, product, await product.readHost(client, signal));
      await adapter.#watch.listen(signal);
      return adapter;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw asAppError(error, "Asking libvirt what the host can do");
    }
  }

  get capabilities(): HostCapabilities {
    return this.#host.capabilities;
  }

  async refreshCapabilities(signal?: AbortSignal): Promise<HostCapabilities> {
    this.#host = await this.#told("Asking what the host can do", this.#product.readHost(this.#client, signal));
    return this.#host.capabilities;
  }

  async *inventory(signal?: AbortSignal): AsyncIterable<InventoryItem> {
    yield await this.#told("Reading the host", readHostFacts(this.#client, this.#host, this.#product.name, signal));
    yield* await this.#told("Reading the storage pools", this.#readPools(signal));
    const described: { domain: DomainRef; vm: Vm }[] = [];
    for (const domain of await this.#told("Reading the VMs", this.#client.domains(signal))) {
      const vm = this.#product.isControlDomain(domain) ? null : await describeVm(this.#client, domain, signal);
      if (vm !== null) described.push({ domain, vm });
    }
    this.#seen = hostNetworksIn(described.map(({ vm }) => vm));
    yield* await this.#told("Reading the networks", this.#readNetworks(signal));
    for (const { domain, vm } of described) {
      const whole = await completeVm(this.#client, domain, vm, this.#readers, signal);
      if (whole !== null) yield whole;
    }
  }

  get #readers() {
    return { places: this.#places, addresses: this.#addresses };
  }

  async #readPools(signal?: AbortSignal): Promise<StoragePool[]> {
    const pools = await readPools(this.#client, signal);
    this.#places.note(pools);
    return pools;
  }

  #readNetworks(signal?: AbortSignal): Promise<Network[]> {
    return readNetworks(this.#client, this.#seen, signal);
  }

  async #readVm(domain: DomainRef, signal?: AbortSignal): Promise<Vm | null> {
    const vm = this.#product.isControlDomain(domain) ? null : await describeVm(this.#client, domain, signal);
    return vm && completeVm(this.#client, domain, vm, this.#readers, signal);
  }

  watch(signal: AbortSignal): AsyncIterable<InventoryChange> {
    return this.#watch.changes(
      {
        inventory: (stop) => this.inventory(stop),
        readVm: (domain, stop) => this.#readVm(domain, stop),
        readNamed: async (kind, name, stop) => {
          if (kind === "pool") this.#places.changed();
          const all = kind === "pool" ? await this.#readPools(stop) : await this.#readNetworks(stop);
          return all.find((each) => each.ref === name) ?? null;
        },
      },
      signal,
    );
  }

  async #told<T>(doing: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw asAppError(error, doing);
    }
  }

  async #domain(ref: string, signal?: AbortSignal): Promise<DomainRef> {
    try {
      return await this.#client.domainByUuid(ref, signal);
    } catch (error) {
      if (isCode(error, ERROR.noDomain))
        throw new AppError("not-found", "vm.not-found", `There is no VM ${ref} on this host.`, { cause: error });
      throw asAppError(error, `Looking for the VM ${ref}`);
    }
  }

  async vm(ref: string, signal?: AbortSignal): Promise<Vm> {
    const vm = await this.#readVm(await this.#domain(ref, signal), signal);
    if (vm === null) throw new AppError("not-found", "vm.not-found", `There is no VM ${ref} on this host.`);
    return vm;
  }

  async power(ref: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
    const before = await this.vm(ref, signal);
    const allowed = canPower(before, action);
    if (allowed !== true) throw new AppError("conflict", "host.refused", allowed.reason);
    const domain = await this.#domain(ref, signal);
    const offAndOn = async (): Promise<void> => {
      await this.#client.destroy(domain, signal);
      await this.#client.start(await this.#domain(ref, signal), signal);
    };
    const orders: Record<PowerAction, (domain: DomainRef, signal?: AbortSignal) => Promise<void>> = {
      start: this.#client.start,
      shutdown: this.#client.shutdown,
      stop: this.#client.destroy,
      reboot: this.#client.reboot,
      reset: this.#product.canReset ? this.#client.reset : offAndOn,
      pause: this.#client.suspend,
      resume: this.#client.resume,
    };
    await this.#told(`${action} of ${before.name}`, orders[action](domain, signal));
  }

  async #captured(ref: string, diskId: string, signal?: AbortSignal): Promise<VmDisk & { source: string }> {
    // What libvirt did not know a while ago may be known by now.
    this.#places.changed();
    await this.#told("Reading the storage pools", this.#readPools(signal));
    const vm = await this.vm(ref, signal);
    const disk = vm.disks.find((each) => each.id === diskId);
    if (disk?.source == null) throw new AppError("not-found", "disk.not-found", `${vm.name} has no disk “${diskId}”.`);
    if (vm.state !== "stopped" && vm.state !== "crashed") {
      throw new AppError("conflict", "vm.running", `${vm.name} is ${vm.state}: its disk changes while it is read.`, {
        hint: "Shut the VM down first.",
      });
    }
    if (disk.captureBlocker !== null) throw new AppError("unprocessable", "disk.cannot-capture", disk.captureBlocker);
    return { ...disk, source: disk.source };
  }

  async planCapture(ref: string, diskIds: readonly string[], tag: string, signal?: AbortSignal): Promise<CapturePlan> {
    const marks: Record<string, string> = {};
    for (const diskId of diskIds) {
      const { source } = await this.#captured(ref, diskId, signal);
      const writtenAt = await this.#volumes.writtenAt(await this.#volumes.byPath(source, signal), signal);
      if (writtenAt !== null) marks[diskId] = writtenAt;
    }
    return { tag, ofSnapshot: false, resources: [], marks };
  }

  async openDisk(ref: string, diskId: string, _plan: CapturePlan, signal?: AbortSignal): Promise<HostDisk> {
    const { source, format } = await this.#captured(ref, diskId, signal);
    const volume = await this.#volumes.byPath(source, signal);
    const file = await this.#volumes.file(volume, { otherPools: format === "qcow2" }, signal);
    return openImageDisk(file, format, signal);
  }

  async openResource(resource: ResourceRef, format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk> {
    const file = await this.#volumes.made(resource.ref, signal);
    if (file === null) throw new AppError("not-found", "disk.not-found", `${resource.label} is not on the host.`);
    return openImageDisk(file, format, signal);
  }

  planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    return this.#volumes.plan(spec, signal);
  }

  createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<PushedDisk> {
    return this.#volumes.create(spec, signal);
  }

  intake(): Intake {
    return "known-length";
  }

  planVm(spec: VmSpec, tag: string): ResourceRef {
    return { kind: "vm", ref: tag, label: `VM ${spec.name}` };
  }

  async createVm(spec: VmSpec, tag: string, signal?: AbortSignal): Promise<Vm> {
    try {
      return await this.vm(tag, signal);
    } catch (error) {
      if (!(error instanceof AppError && error.code === "vm.not-found")) throw error;
    }
    const other = await this.#client.domainByName(spec.name, signal).catch((error: unknown) => {
      if (isCode(error, ERROR.noDomain)) return null;
      throw asAppError(error, `Looking for a VM ${spec.name}`);
    });
    if (other !== null)
      throw new AppError("conflict", "vm.exists", `There is a VM “${spec.name}” on this host already.`, {
        hint: "Choose another name.",
      });
    // The pools learn what the uploaded files are.
    await this.#volumes.refresh(new Set(spec.disks.map(({ resource }) => parseRef(resource.ref).pool)), signal);
    const places: DiskPlace[] = [];
    for (const disk of spec.disks) {
      const place = await this.#volumes.place(disk.resource.ref, signal);
      if (place === null)
        throw new AppError("not-found", "disk.not-found", `${disk.resource.label} is not on the host.`);
      places.push(place);
    }
    const xml = this.#product.domainXml(spec, tag, this.#host, places);
    await this.#told(`Defining ${spec.name}`, this.#client.define(xml, signal));
    return this.vm(tag, signal);
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    if (resource.kind === "disk") return this.#volumes.remove(resource, signal);
    const domain = await this.#client.domainByUuid(resource.ref, signal).catch((error: unknown) => {
      if (isCode(error, ERROR.noDomain)) return null;
      throw asAppError(error, `Looking for ${resource.label}`);
    });
    if (domain === null) return;
    await this.#client.destroy(domain, signal).catch((error: unknown) => {
      if (!isCode(error, ERROR.operationInvalid, ERROR.noDomain)) throw asAppError(error, `Stopping ${resource.label}`);
    });
    await this.#client.undefine(domain, this.#product.undefineFlags, signal).catch((error: unknown) => {
      if (!isCode(error, ERROR.noDomain)) throw asAppError(error, `Removing ${resource.label}`);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }
}
