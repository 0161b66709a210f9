/** One Hyper-V host. */
import { setTimeout as delay } from "node:timers/promises";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { text, texts } from "#lib/wire/wsman/cim.ts";
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
import { Told } from "../told.ts";
import { diskOf, isStill, mergeChain, needsOf, planCapture, requirePlanned, stateOf, watchOver } from "./capture.ts";
import { defineVm } from "./define/define-vm.ts";
import type { DiskCarrier } from "./transfer/disk-carrier.ts";
import { DiskSizes } from "./disk-sizes.ts";
import { formatOf, REALIZED } from "./map-vm.ts";
import { SERVICE } from "./define/new-machine.ts";
import { changePower, untilOff } from "./power.ts";
import { capabilitiesOf, type HypervHost, readHost, readNetworks, readPools, readSpace } from "./read-host.ts";
import { readStamps, readVms } from "./read-vms.ts";
import { type HypervSession, systemRef, V2 } from "./session.ts";
import { SftpCarrier } from "./transfer/sftp-carrier.ts";
import { CaptureSnapshots } from "./snapshots.ts";
import { WinRmCarrier } from "./transfer/winrm-carrier.ts";

/** Two time stamps a machine. */
const LOOK_MS = 2000;
/** Drives, switches, the host itself, what the guests tell. */
const THOROUGH_MS = 60_000;

export class HypervAdapter implements HypervisorAdapter {
  readonly #session: HypervSession;
  readonly #carrier: DiskCarrier;
  readonly #snapshots: CaptureSnapshots;
  readonly #sizes = new DiskSizes();
  #host: HypervHost;
  #capabilities: HostCapabilities;

  private constructor(session: HypervSession, host: HypervHost, carrier: DiskCarrier) {
    this.#session = session;
    this.#carrier = carrier;
    this.#snapshots = new CaptureSnapshots(session);
    this.#host = host;
    this.#capabilities = capabilitiesOf(host);
  }

  static async open(session: HypervSession, secret: HostSecret | null, signal?: AbortSignal): Promise<HypervAdapter> {
    const host = await readHost(session, signal);
    const { files } = session.connection;
    const carrier =
      files.by === "sftp"
        ? await SftpCarrier.open(session, files, secret, (folder) => readSpace(session, host, folder), signal)
        : new WinRmCarrier(session);
    return new HypervAdapter(session, host, carrier);
  }

  get capabilities(): HostCapabilities {
    return this.#capabilities;
  }

  async refreshCapabilities(signal?: AbortSignal): Promise<HostCapabilities> {
    this.#host = await readHost(this.#session, signal);
    this.#capabilities = capabilitiesOf(this.#host);
    return this.#capabilities;
  }

  async *inventory(signal?: AbortSignal): AsyncIterable<InventoryItem> {
    this.#host = await readHost(this.#session, signal);
    yield this.#host.facts;
    yield* await readPools(this.#session, this.#host, signal);
    const networks = await readNetworks(this.#session, signal);
    yield* networks;
    yield* await this.#vms(null, signal, new Map(networks.map(({ ref, name }) => [ref, name])));
  }

  async #vms(id: string | null, signal?: AbortSignal, networks?: ReadonlyMap<string, string>): Promise<Vm[]> {
    const names =
      networks ?? new Map((await readNetworks(this.#session, signal)).map(({ ref, name }) => [ref, name] as const));
    const { cluster, computerName } = this.#host;
    const around = { networks: names, cluster: cluster === null ? null : { ...cluster, node: computerName } };
    return readVms(this.#session, this.#sizes, around, id, signal);
  }

  async *watch(signal: AbortSignal): AsyncIterable<InventoryChange> {
    const told = new Told();
    let stamps: ReadonlyMap<string, string> = new Map();
    let thoroughAt = 0;
    try {
      while (!signal.aborted) {
        const now = await readStamps(this.#session, signal);
        if (Date.now() >= thoroughAt) {
          yield* told.refresh(this.inventory(signal));
          thoroughAt = Date.now() + THOROUGH_MS;
        } else {
          for (const [id, stamp] of now) {
            if (stamps.get(id) === stamp) continue;
            for (const vm of await this.#vms(id, signal)) yield* told.put(vm);
          }
          for (const id of stamps.keys()) if (!now.has(id)) yield* told.gone("vm", id);
        }
        stamps = now;
        await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async vm(ref: string, signal?: AbortSignal): Promise<Vm> {
    const [vm] = await this.#vms(ref, signal);
    if (vm === undefined) throw new AppError("not-found", "vm.not-found", `There is no VM ${ref} on this host.`);
    return vm;
  }

  async power(ref: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
    return changePower(this.#session, await this.vm(ref, signal), action, signal);
  }

  async planCapture(
    vmRef: string,
    diskIds: readonly string[],
    tag: string,
    signal?: AbortSignal,
  ): Promise<CapturePlan> {
    const vm = await this.vm(vmRef, signal);
    const state = await stateOf(this.#session, vm, signal);
    return planCapture(vm, diskIds, tag, { inPlace: this.#carrier.inPlace, state });
  }

  async openDisk(vmRef: string, diskId: string, plan: CapturePlan, signal?: AbortSignal): Promise<HostDisk> {
    const vm = await this.vm(vmRef, signal);
    const disk = diskOf(vm, diskId);
    if (!plan.ofSnapshot && !isStill(vm))
      throw new AppError("conflict", "vm.running", `${vm.name} was started before its disk was read.`, {
        hint: "Capture it again: of a machine that runs a checkpoint is read.",
      });
    const check = await watchOver(this.#session, this.#snapshots, vm, plan, signal);
    let path = disk.source;
    if (plan.ofSnapshot) {
      const there = (await this.#snapshots.make(vm.ref, vm.name, plan.tag, signal)).get(disk.id);
      if (there === undefined || there === "")
        throw new AppError(
          "unprocessable",
          "disk.cannot-capture",
          `The checkpoint of ${vm.name} leaves ${disk.label} out.`,
        );
      path = there;
    }
    const needs = needsOf(vm, disk, path, plan.tag);
    const { merged, keys } = needs;
    if (!this.#carrier.inPlace) {
      requirePlanned(vm, plan, needs);
      if (merged !== null) {
        await mergeChain(this.#session, path, merged.ref, signal);
        path = merged.ref;
      }
    }
    const opened = await this.#carrier.openWatched(
      { path, format: formatOf(path) ?? "vhdx", keys: keys.ref },
      check,
      signal,
    );
    const note = this.#snapshots.takeNote(vm.ref, vm.name, plan.tag);
    return note === null ? opened : Object.assign(opened, { note });
  }

  async openResource(resource: ResourceRef, format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk> {
    if (!(await this.#carrier.exists(resource.ref, signal)))
      throw new AppError("not-found", "disk.not-found", `${resource.label} is not on the host.`);
    return this.#carrier.openAlone({ path: resource.ref, format, keys: resource.ref }, signal);
  }

  async #planned(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    const pool = (await readPools(this.#session, this.#host, signal)).find(({ ref }) => ref === spec.poolRef);
    if (pool?.path == null)
      throw new AppError("not-found", "pool.not-found", `There is no drive “${spec.poolRef}” on this host.`);
    if (!this.#capabilities.diskFormats.includes(spec.format))
      throw new AppError("unprocessable", "host.refused", `Hyper-V takes no ${spec.format} disks.`);
    const ref = `${pool.path}\\${spec.name}.${spec.format}`;
    return { kind: "disk", ref, label: `disk ${ref}` };
  }

  async planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    const resource = await this.#planned(spec, signal);
    if (await this.#carrier.exists(resource.ref, signal))
      throw new AppError("conflict", "disk.exists", `There is a file ${resource.ref} already.`);
    return resource;
  }

  async createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<CreatedDisk> {
    return this.#carrier.create(await this.planDisk(spec, signal), signal);
  }

  intake(): Intake {
    return this.#carrier.intake;
  }

  planVm(spec: VmSpec, tag: string): ResourceRef {
    return { kind: "vm", ref: tag, label: `VM ${spec.name}` };
  }

  /** A tag stands in the machine's notes, which only its own list of settings gives. */
  async #tagged(tag: string, signal?: AbortSignal): Promise<Vm | undefined> {
    const settings = await this.#session.query(
      V2,
      "SELECT InstanceID, VirtualSystemIdentifier, Notes FROM Msvm_VirtualSystemSettingData",
      "Looking for the VM",
      signal,
    );
    const found = settings.find((each) => texts(each, "Notes").join("\n").includes(`supravisor-tag: ${tag}`));
    const id = text(found, "VirtualSystemIdentifier");
    if (id === null) return undefined;
    const [vm] = await this.#vms(id, signal);
    return vm?.tag === tag ? vm : undefined;
  }

  /** Machines of that name, the oldest first. */
  async #named(name: string, signal?: AbortSignal): Promise<readonly string[]> {
    const found = await this.#session.query(
      V2,
      `SELECT * FROM Msvm_VirtualSystemSettingData WHERE ElementName = '${name.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}' AND VirtualSystemType = '${REALIZED}'`,
      `Looking for a VM ${name}`,
      signal,
    );
    return found
      .map((each) => ({ id: text(each, "VirtualSystemIdentifier") ?? "", at: text(each, "CreationTime") ?? "" }))
      .sort((a, b) => (a.at === b.at ? (a.id < b.id ? -1 : 1) : a.at < b.at ? -1 : 1))
      .map(({ id }) => id);
  }

  async createVm(spec: VmSpec, tag: string, signal?: AbortSignal): Promise<Vm> {
    const same = await this.#tagged(tag, signal);
    if (same !== undefined) {
      if (isWhole(same, spec)) return same;
      // An earlier attempt ended half-way.
      await this.remove(this.planVm(spec, tag), signal);
    }
    if ((await this.#named(spec.name, signal)).length > 0) throw nameTaken(spec.name);
    const id = await defineVm({
      session: this.#session,
      computerName: this.#host.computerName,
      spec,
      tag,
      ...(signal === undefined ? {} : { signal }),
    });
    // Hyper-V takes a name twice. Of two that were made at once the older one stays: whoever came later sees it here.
    const [oldest] = await this.#named(spec.name, signal);
    if (oldest !== undefined && oldest !== id) {
      await this.remove(this.planVm(spec, tag), signal);
      throw nameTaken(spec.name);
    }
    return this.vm(id, signal);
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    if (resource.kind === "disk") return this.#carrier.removeAll(resource.ref, signal);
    if (resource.kind === "snapshot") return this.#snapshots.remove(resource, signal);
    const vm = await this.#tagged(resource.ref, signal);
    if (vm === undefined) return;
    if (vm.state !== "stopped" && vm.state !== "suspended") await changePower(this.#session, vm, "stop", signal);
    await untilOff(this.#session, vm, signal);
    await this.#session.invoke(
      SERVICE,
      "DestroySystem",
      { AffectedSystem: systemRef(vm.ref) },
      `Removing ${vm.name}`,
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#carrier[Symbol.asyncDispose]();
    await this.#session[Symbol.asyncDispose]();
  }
}

function nameTaken(name: string): AppError {
  return new AppError("conflict", "vm.exists", `There is a VM “${name}” on this host already.`, {
    hint: "Choose another name.",
  });
}

function isWhole(vm: Vm, spec: VmSpec): boolean {
  const sources = vm.disks.map((disk) => disk.source?.toLowerCase());
  return (
    spec.disks.every(({ resource }) => sources.includes(resource.ref.toLowerCase())) &&
    vm.nics.filter((nic) => nic.networkRef !== null).length >= spec.nics.length
  );
}
