/** A pool of XenServer or XCP-ng members as one host. */
import { z } from "zod";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Vm, VmDisk } from "#lib/domain/inventory.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { AppError } from "#lib/errors.ts";
import { inSlices } from "#lib/wire/slices.ts";
import type {
  CapturePlan,
  CreatedDisk,
  DiskSpec,
  HostDisk,
  HypervisorAdapter,
  Intake,
  PackageExport,
  ResourceRef,
  VmSpec,
} from "../adapter.ts";
import { ANY_MEMBER, readCapabilities } from "./capabilities.ts";
import { ChangeFeed, inventoryOf } from "./changes.ts";
import { PoolDisks } from "./disks.ts";
import { exportFormatOf } from "./image-format.ts";
import { ExportedBytes } from "./exported-bytes.ts";
import { smallestSocket } from "./map-pool.ts";
import { findByTag, isVm, mapVm, OWN_UUID_KEY } from "./map-vm.ts";
import { Mirror } from "./mirror.ts";
import { cdPosition, cdRecord, diskPosition, USUAL_MTU, vbdRecord, vifRecord, vmRecord } from "./new-vm.ts";
import { NULL_REF, type RecordOf } from "./records.ts";
import type { XapiSession } from "./session.ts";
import { Snapshots } from "./snapshots.ts";
import { runTask, type FollowOptions } from "./tasks.ts";
import { asAppError } from "./xapi-error.ts";

/** How long one wait for events lasts. */
const EVENTS_S = 30;
const Ref = z.string();

const ORDERS: Record<
  PowerAction,
  { readonly method: string; readonly more: readonly unknown[]; readonly word: string }
> = {
  start: { method: "VM.start", more: [false, false], word: "Starting" },
  shutdown: { method: "VM.clean_shutdown", more: [], word: "Shutting down" },
  stop: { method: "VM.hard_shutdown", more: [], word: "Stopping" },
  reboot: { method: "VM.clean_reboot", more: [], word: "Restarting" },
  reset: { method: "VM.hard_reboot", more: [], word: "Resetting" },
  pause: { method: "VM.pause", more: [], word: "Pausing" },
  resume: { method: "VM.unpause", more: [], word: "Resuming" },
};
/** From disk back into memory. */
const WAKE = { method: "VM.resume", more: [false, false], word: "Resuming" } as const;

export class XapiAdapter implements HypervisorAdapter {
  readonly #session: XapiSession;
  readonly #mirror: Mirror;
  readonly #disks: PoolDisks;
  readonly #snapshots: Snapshots;
  readonly #stallMs: number;
  #capabilities: HostCapabilities;
  /** Refreshes one after the other: two answers must not cross. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(session: XapiSession, mirror: Mirror, stallMs: number) {
    this.#session = session;
    this.#mirror = mirror;
    this.#stallMs = stallMs;
    this.#disks = new PoolDisks(session, stallMs);
    this.#snapshots = new Snapshots(session, this.#disks, stallMs);
    this.#capabilities = readCapabilities(mirror);
  }

  /** `stallMs`: a task or a transfer without progress for so long is given up. */
  static async open(session: XapiSession, stallMs: number, signal?: AbortSignal): Promise<XapiAdapter> {
    const mirror = new Mirror(session);
    try {
      await mirror.refresh(0, signal);
    } catch (error) {
      throw asAppError(error, "Reading the pool");
    }
    return new XapiAdapter(session, mirror, stallMs);
  }

  get capabilities(): HostCapabilities {
    return this.#capabilities;
  }

  async refreshCapabilities(signal?: AbortSignal): Promise<HostCapabilities> {
    this.#capabilities = readCapabilities(await this.#fresh(signal));
    return this.#capabilities;
  }

  /** The mirror as the pool is now. */
  async #fresh(signal?: AbortSignal): Promise<Mirror> {
    return this.#whileFresh((mirror) => Promise.resolve(mirror), signal);
  }

  /** Nothing changes in the mirror until `look` is done. */
  async #whileFresh<T>(look: (mirror: Mirror) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.#turn.then(async () => {
      signal?.throwIfAborted();
      await this.#mirror.refresh(0, signal);
      return look(this.#mirror);
    });
    this.#turn = turn.catch(() => undefined);
    try {
      return await turn;
    } catch (error) {
      throw asAppError(error, "Reading the pool");
    }
  }

  async *inventory(signal?: AbortSignal): AsyncIterable<InventoryItem> {
    yield* await this.#whileFresh(async (mirror) => {
      const items: InventoryItem[] = [];
      for await (const item of inSlices(inventoryOf(mirror), signal)) items.push(item);
      return items;
    }, signal);
  }

  /** With a mirror of its own, so that its long waits hold up nobody. */
  async *watch(signal: AbortSignal): AsyncIterable<InventoryChange> {
    const mirror = new Mirror(this.#session);
    const feed = new ChangeFeed(mirror);
    try {
      while (!signal.aborted) yield* inSlices(feed.take(await mirror.refresh(EVENTS_S, signal)), signal);
    } catch (error) {
      if (!signal.aborted) throw asAppError(error, "Following the pool's changes");
    }
  }

  async #found(uuid: string, signal?: AbortSignal): Promise<{ ref: string; record: RecordOf<"VM">; mirror: Mirror }> {
    const mirror = await this.#fresh(signal);
    const found = mirror.entries("VM").find(([, vm]) => vm.uuid === uuid && isVm(vm));
    if (found === undefined) throw new AppError("not-found", "vm.not-found", `There is no VM ${uuid} in this pool.`);
    return { ref: found[0], record: found[1], mirror };
  }

  async vm(uuid: string, signal?: AbortSignal): Promise<Vm> {
    const { mirror, record } = await this.#found(uuid, signal);
    return mapVm(mirror, record);
  }

  #follow(doing: string, signal?: AbortSignal): FollowOptions {
    return { doing, stallMs: this.#stallMs, ...(signal === undefined ? {} : { signal }) };
  }

  async power(uuid: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
    const { ref, record, mirror } = await this.#found(uuid, signal);
    const { state, name } = mapVm(mirror, record);
    const allowed = canPower({ state, name }, action);
    if (allowed !== true) throw new AppError("conflict", "host.refused", allowed.reason);
    const wakes = state === "suspended" && (action === "start" || action === "resume");
    const { method, more, word } = wakes ? WAKE : ORDERS[action];
    await runTask(this.#session, method, [ref, ...more], { ...this.#follow(`${word} ${name}`, signal), goesOn: true });
  }

  #captured({ ref, record, mirror }: { ref: string; record: RecordOf<"VM">; mirror: Mirror }, diskId: string) {
    const vm = mapVm(mirror, record);
    const disk: VmDisk | undefined = vm.disks.find((each) => each.id === diskId);
    const vbd = record.VBDs.map((each) => mirror.find("VBD", each)).find((each) => each?.userdevice === diskId);
    if (disk?.source == null || vbd == null)
      throw new AppError("not-found", "disk.not-found", `${vm.name} has no disk “${diskId}”.`);
    if (disk.captureBlocker !== null) throw new AppError("unprocessable", "disk.cannot-capture", disk.captureBlocker);
    const vdi = mirror.find("VDI", vbd.VDI);
    const sr = mirror.find("SR", vdi?.SR ?? "");
    return {
      ref,
      vm,
      vdi: vbd.VDI,
      size: disk.capacity ?? 0,
      format: vdi === null || sr === null ? ("raw" as const) : exportFormatOf(sr.type, vdi),
    };
  }

  async planCapture(uuid: string, diskIds: readonly string[], tag: string, signal?: AbortSignal): Promise<CapturePlan> {
    const found = await this.#found(uuid, signal);
    const { name, state } = mapVm(found.mirror, found.record);
    for (const diskId of diskIds) this.#captured(found, diskId);
    if (state !== "stopped") return { tag, ofSnapshot: true, resources: [this.#snapshots.plan(name, tag)], marks: {} };
    const lastStart = found.mirror.find("VM_metrics", found.record.metrics)?.start_time;
    const marks = lastStart === undefined ? {} : Object.fromEntries(diskIds.map((diskId) => [diskId, lastStart]));
    return { tag, ofSnapshot: false, resources: [], marks };
  }

  async openDisk(uuid: string, diskId: string, plan: CapturePlan, signal?: AbortSignal): Promise<HostDisk> {
    const { ref, vm, vdi, size, format } = this.#captured(await this.#found(uuid, signal), diskId);
    if (!plan.ofSnapshot) requireStill(vm);
    const source = plan.ofSnapshot ? await this.#snapshots.disk(ref, vm.name, diskId, plan.tag, signal) : vdi;
    return once(await this.#disks.open({ vdi: source, size, format }, `disk ${diskId} of ${vm.name}`, signal));
  }

  readonly packages: PackageExport = {
    /** XVA, not compressed: the library reads its blocks where they lie. Source: xapi, `export.ml`. */
    open: async (uuid, _kind, plan, signal) => {
      const { ref, record, mirror } = await this.#found(uuid, signal);
      const vm = mapVm(mirror, record);
      if (!plan.ofSnapshot) requireStill(vm);
      const exported = plan.ofSnapshot ? await this.#snapshots.machine(ref, vm.name, plan.tag, signal) : uuid;
      const bytes = new ExportedBytes(this.#session, {
        path: "/export",
        query: { uuid: exported, use_compression: "false" },
        doing: `Exporting ${vm.name}`,
        stallMs: this.#stallMs,
        ...(signal === undefined ? {} : { signal }),
      });
      return { bytes: bytes.all(signal), [Symbol.asyncDispose]: () => bytes.end() };
    },
  };

  async openResource(resource: ResourceRef, _format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk> {
    return once(await this.#disks.openResource(resource, signal));
  }

  planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    return this.#disks.plan(spec, signal);
  }

  createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<CreatedDisk> {
    return this.#disks.create(spec, signal);
  }

  /** Raw goes as records, each with its place; a VHD as one file. */
  intake(format: DiskFormatId): Intake {
    return format === "vhd" ? "known-length" : "any-order";
  }

  planVm(spec: VmSpec, tag: string): ResourceRef {
    return { kind: "vm", ref: tag, label: `VM ${spec.name}` };
  }

  async createVm(spec: VmSpec, tag: string, signal?: AbortSignal): Promise<Vm> {
    const mirror = await this.#fresh(signal);
    const doing = `Defining ${spec.name}`;
    let ref = findByTag(mirror, tag)?.[0];
    if (ref === undefined && mirror.entries("VM").some(([, vm]) => isVm(vm) && vm.name_label === spec.name))
      throw new AppError("conflict", "vm.exists", `There is a VM “${spec.name}” in this pool already.`, {
        hint: "Choose another name.",
      });
    const vdis: string[] = [];
    for (const { resource } of spec.disks) {
      const found = await this.#disks.find(resource, signal);
      if (found === null) throw new AppError("not-found", "disk.not-found", `${resource.label} is not in the pool.`);
      vdis.push(found.ref);
    }
    const networks = spec.nics.map((nic) => {
      const found = mirror.entries("network").find(([, network]) => network.uuid === nic.networkRef);
      if (found === undefined)
        throw new AppError("not-found", "network.not-found", `There is no network “${nic.networkRef}” in this pool.`);
      return found[0];
    });
    const call = async (method: string, params: readonly unknown[]): Promise<string> => {
      try {
        return await this.#session.call(method, params, Ref.catch(""), signal);
      } catch (error) {
        throw asAppError(error, doing);
      }
    };
    ref ??= await call("VM.create", [vmRecord(spec, tag, this.#affinity(mirror, spec), smallestSocket(mirror))]);
    // One that was interrupted may lack some of its parts: only those are added.
    const made = (await this.#fresh(signal)).find("VM", ref);
    const there = (refs: readonly string[] | undefined, name: "VBD" | "VIF"): Set<string> =>
      new Set(
        refs
          ?.map((each) => (name === "VBD" ? mirror.find("VBD", each)?.userdevice : mirror.find("VIF", each)?.device))
          .filter((each) => each !== undefined),
      );
    const disks = there(made?.VBDs, "VBD");
    for (const [position, vdi] of vdis.entries())
      if (!disks.has(diskPosition(spec.disks, position)))
        await call("VBD.create", [vbdRecord(ref, vdi, diskPosition(spec.disks, position), position === 0)]);
    const drive = cdPosition(spec.disks);
    if (drive !== null && !disks.has(drive)) await call("VBD.create", [cdRecord(ref, drive)]);
    const nics = there(made?.VIFs, "VIF");
    for (const [position, network] of networks.entries())
      if (!nics.has(String(position))) {
        const { MTU: mtu } = mirror.find("network", network) ?? { MTU: USUAL_MTU };
        await call("VIF.create", [vifRecord(ref, { network, mtu }, spec.nics[position]?.mac ?? null, position)]);
      }
    const uuid = made?.uuid ?? (await call("VM.get_uuid", [ref]));
    if (made?.other_config[OWN_UUID_KEY] === undefined) await call("VM.add_to_other_config", [ref, OWN_UUID_KEY, uuid]);
    return this.vm(uuid, signal);
  }

  #affinity(mirror: Mirror, spec: VmSpec): string {
    const wanted = spec.placement["host"] ?? ANY_MEMBER;
    if (wanted === ANY_MEMBER) return NULL_REF;
    const found = mirror.entries("host").find(([, host]) => host.uuid === wanted);
    if (found === undefined)
      throw new AppError(
        "not-found",
        "host.member-not-found",
        "The chosen home server is no member of this pool any more.",
        {
          hint: "Choose another one.",
        },
      );
    return found[0];
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    if (resource.kind === "disk") return this.#disks.remove(resource, signal);
    const mirror = await this.#fresh(signal);
    if (resource.kind === "snapshot") return this.#snapshots.remove(mirror, resource, signal);
    const found = findByTag(mirror, resource.ref);
    if (found === null) return;
    const [ref, record] = found;
    const gone = (error: unknown): void => {
      if (
        !(
          error instanceof AppError &&
          ["HANDLE_INVALID", "VM_BAD_POWER_STATE"].includes(String(error.details?.["code"]))
        )
      )
        throw error;
    };
    if (record.power_state !== "Halted")
      await runTask(this.#session, "VM.hard_shutdown", [ref], this.#follow(`Stopping ${resource.label}`, signal)).catch(
        gone,
      );
    await runTask(this.#session, "VM.destroy", [ref], this.#follow(`Removing ${resource.label}`, signal)).catch(
      (error: unknown) => {
        if (!(error instanceof AppError && error.details?.["code"] === "HANDLE_INVALID")) throw error;
      },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

function once(stream: DiskStream): HostDisk {
  return { access: "once", stream, [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose]() };
}

function requireStill({ name, state }: Pick<Vm, "name" | "state">): void {
  if (state === "stopped") return;
  throw new AppError("conflict", "vm.running", `${name} was started before it was read.`, {
    hint: "Capture it again: of a VM that runs a snapshot is read.",
  });
}
