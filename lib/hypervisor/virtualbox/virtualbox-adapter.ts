import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
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
import { openChain } from "../chain-files.ts";
import { sinkIntoPool } from "../pool-sink.ts";
import { readCapabilities } from "./capabilities.ts";
import { openCapture, planDiskCapture, type Subject } from "./capture.ts";
import { makeMachine } from "./create-vm.ts";
import { readHost, type VirtualBoxHost } from "./host-facts.ts";
import { pathsOf, placeOf } from "./host-paths.ts";
import { InventoryReader, type Look } from "./inventory-reader.ts";
import { readMedia } from "./media.ts";
import { changePower } from "./power.ts";
import { parseVmList } from "./records.ts";
import { removeDisk, removeVm } from "./remove.ts";
import { asAppError } from "./vbox-error.ts";
import type { VBoxManage } from "./vboxmanage.ts";
import { watchHost } from "./watch.ts";

const EXTENSION: Partial<Record<DiskFormatId, string>> = { vdi: "vdi", vmdk: "vmdk", vhd: "vhd" };

async function told<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asAppError(error, doing);
  }
}

export class VirtualBoxAdapter implements HypervisorAdapter {
  readonly #vbox: VBoxManage;
  readonly #reader: InventoryReader;
  #host: VirtualBoxHost;
  #capabilities: HostCapabilities;

  private constructor(vbox: VBoxManage, host: VirtualBoxHost, capabilities: HostCapabilities) {
    this.#vbox = vbox;
    this.#reader = new InventoryReader(vbox);
    this.#host = host;
    this.#capabilities = capabilities;
  }

  /** Owns the machine behind `vbox` from now on. */
  static async open(vbox: VBoxManage, signal?: AbortSignal): Promise<VirtualBoxAdapter> {
    const doing = `Asking VirtualBox on ${vbox.machine.name} what it can do`;
    const host = await told(doing, readHost(vbox, signal));
    return new VirtualBoxAdapter(vbox, host, await told(doing, readCapabilities(vbox, host, signal)));
  }

  get capabilities(): HostCapabilities {
    return this.#capabilities;
  }

  async refreshCapabilities(signal?: AbortSignal): Promise<HostCapabilities> {
    const doing = `Asking VirtualBox on ${this.#vbox.machine.name} what it can do`;
    this.#host = await told(doing, readHost(this.#vbox, signal));
    this.#capabilities = await told(doing, readCapabilities(this.#vbox, this.#host, signal));
    return this.#capabilities;
  }

  async #everything(look: Look, signal?: AbortSignal): Promise<InventoryItem[]> {
    const doing = `Reading the inventory of ${this.#vbox.machine.name}`;
    this.#host = await told(doing, readHost(this.#vbox, signal));
    const items: InventoryItem[] = [];
    for await (const item of this.#reader.others(this.#host, signal)) items.push(item);
    items.push(...(await told(doing, this.#reader.vms(this.#host, look, signal))));
    return items;
  }

  async *inventory(signal?: AbortSignal): AsyncIterable<InventoryItem> {
    yield* await this.#everything("all", signal);
  }

  watch(signal: AbortSignal): AsyncIterable<InventoryChange> {
    return watchHost(
      {
        thorough: (within) => this.#everything("thorough", within),
        quick: (within) =>
          told(`Looking for changes on ${this.#vbox.machine.name}`, this.#reader.vms(this.#host, "quick", within)),
      },
      signal,
    );
  }

  /** Throws `vm.not-found`. */
  async #subject(ref: string, signal?: AbortSignal): Promise<Omit<Subject, "diskId">> {
    const doing = `Reading the VM ${ref} on ${this.#vbox.machine.name}`;
    const [reading, media, names] = await Promise.all([
      told(doing, this.#reader.machine(ref, signal)),
      told(doing, readMedia(this.#vbox, { signal })),
      // Older ones do not escape the name among a VM's facts.
      this.#vbox.atLeast(7) ? null : told(doing, this.#vbox.ask(["list", "vms"], { signal })),
    ]);
    if (reading === null)
      throw new AppError("not-found", "vm.not-found", `There is no VM ${ref} on ${this.#vbox.machine.name}.`);
    const name = names === null ? null : ((await parseVmList(names, signal)).get(ref) ?? null);
    return { vm: this.#reader.vmOf(ref, name, reading, media, this.#host), info: reading.info, media };
  }

  async vm(ref: string, signal?: AbortSignal): Promise<Vm> {
    return (await this.#subject(ref, signal)).vm;
  }

  async power(ref: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
    await changePower(this.#vbox, await this.vm(ref, signal), action, this.#capabilities.whyNotStart, signal);
  }

  async planCapture(ref: string, diskIds: readonly string[], tag: string, signal?: AbortSignal): Promise<CapturePlan> {
    const machine = await this.#subject(ref, signal);
    const resources: ResourceRef[] = [];
    for (const diskId of diskIds)
      resources.push(...(await planDiskCapture(this.#vbox, this.#host, { ...machine, diskId }, tag, signal)));
    return { tag, ofSnapshot: false, resources, marks: {} };
  }

  async openDisk(ref: string, diskId: string, plan: CapturePlan, signal?: AbortSignal): Promise<HostDisk> {
    const subject = { ...(await this.#subject(ref, signal)), diskId };
    return openCapture(this.#vbox, this.#host, subject, plan.tag, signal);
  }

  async openResource(resource: ResourceRef, format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk> {
    if ((await this.#vbox.machine.files.stat(resource.ref, signal)) === null)
      throw new AppError("not-found", "disk.not-found", `${resource.label} is not on ${this.#vbox.machine.name}.`);
    return openChain(placeOf(this.#vbox.machine), [{ location: resource.ref, format }], signal);
  }

  async planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    const { machine } = this.#vbox;
    const extension = EXTENSION[spec.format];
    if (extension === undefined)
      throw new AppError("unprocessable", "host.refused", `VirtualBox hosts take no new ${spec.format} disks.`);
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(spec.name))
      throw new AppError("invalid", "host.refused", `“${spec.name}” cannot be the name of a disk.`);
    if (spec.poolRef !== this.#host.machineFolder || (await machine.files.stat(spec.poolRef, signal)) === null)
      throw new AppError("not-found", "pool.not-found", `${machine.name} has no machine folder “${spec.poolRef}”.`, {
        hint: "VirtualBox's default machine folder may have been changed; choose it again.",
      });
    const ref = pathsOf(machine.os).join(spec.poolRef, `${spec.name}.${extension}`);
    if ((await machine.files.stat(ref, signal)) !== null) throw diskExists(ref, machine.name);
    return { kind: "disk", ref, label: `disk ${ref}` };
  }

  async createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<CreatedDisk> {
    const { machine } = this.#vbox;
    const resource = await this.planDisk(spec, signal);
    const length = spec.fileLength ?? 0;
    const space = await machine.files.space(spec.poolRef, signal).catch(() => null);
    // Holes take no room, so this is a limit for what is certain not to fit.
    if (space !== null && length > space.capacity)
      throw new AppError(
        "unprocessable",
        "pool.full",
        `${resource.ref} has ${length} bytes; the machine folder's file system has ${space.capacity}.`,
      );
    try {
      const sink = await machine.files.create(resource.ref, signal);
      return { resource, sink: sinkIntoPool(sink, `${spec.poolRef} on ${machine.name}`) };
    } catch (error) {
      if (error instanceof AppError && error.code === "io.exists") throw diskExists(resource.ref, machine.name);
      throw error;
    }
  }

  intake(): Intake {
    return "any-order";
  }

  planVm(spec: VmSpec, tag: string): ResourceRef {
    return { kind: "vm", ref: tag, label: `VM ${spec.name}` };
  }

  async createVm(spec: VmSpec, tag: string, signal?: AbortSignal): Promise<Vm> {
    const { machine } = this.#vbox;
    const names = await parseVmList(await told("Listing the VMs", this.#vbox.ask(["list", "vms"], { signal })), signal);
    if (names.has(tag)) {
      const done = await this.vm(tag, signal);
      if (done.tag === tag) return done;
      // Begun and cut off: made anew, since nobody knows how far it came.
      await this.remove(this.planVm(spec, tag), signal);
      names.delete(tag);
    }
    if ([...names.values()].includes(spec.name))
      throw new AppError("conflict", "vm.exists", `There is a VM “${spec.name}” on ${machine.name} already.`, {
        hint: "Choose another name.",
      });
    for (const disk of spec.disks) {
      if ((await machine.files.stat(disk.resource.ref, signal)) === null)
        throw new AppError("not-found", "disk.not-found", `${disk.resource.label} is not on ${machine.name}.`);
    }
    await told(`Making the VM ${spec.name} on ${machine.name}`, makeMachine(this.#vbox, spec, tag, signal));
    return this.vm(tag, signal);
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    const doing = `Removing ${resource.label} from ${this.#vbox.machine.name}`;
    await told(doing, (resource.kind === "vm" ? removeVm : removeDisk)(this.#vbox, resource, signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#vbox.machine[Symbol.asyncDispose]();
  }
}

function diskExists(ref: string, host: string): AppError {
  return new AppError("conflict", "disk.exists", `There is a file ${ref} on ${host} already.`, {
    hint: "Choose another name.",
  });
}
