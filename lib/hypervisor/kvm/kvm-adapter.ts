import { basename } from "node:path/posix";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { InventoryChange, InventoryItem, Vm, VmDisk } from "#lib/domain/inventory.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import type { ImageFile } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, HostDisk, HypervisorAdapter, PushedDisk, ResourceRef, VmSpec } from "../adapter.ts";
import { openImageDisk } from "../image-disk.ts";
import type { LibvirtClient, LibvirtEvent } from "../libvirt/client.ts";
import { asAppError, LibvirtError } from "../libvirt/libvirt-error.ts";
import { ERROR } from "../libvirt/procedures.ts";
import type { DomainRef, NamedRef, VolumeRef } from "../libvirt/types.ts";
import { volumeSink, volumeSource } from "../libvirt/volume-bytes.ts";
import { readKvmHost, type KvmHost } from "./capabilities.ts";
import { domainXml } from "./define-domain.ts";
import { readHostFacts, readNetworks, readPool, readPools, readVm } from "./inventory.ts";
import { escapeXml } from "./xml.ts";

const EXTENSION: Partial<Record<DiskFormatId, string>> = { qcow2: "qcow2", raw: "img" };
/** Free space, snapshots and memory change without an event. */
const RELIST_MS = 30_000;
const STATE_MS = 20_000;

const isCode = (error: unknown, ...codes: number[]): boolean =>
  error instanceof LibvirtError && codes.includes(error.code);

export class KvmAdapter implements HypervisorAdapter {
  readonly #client: LibvirtClient;
  #host: KvmHost;
  /** Everything since the session opened that no watch has taken yet. */
  readonly #events: LibvirtEvent[] = [];
  #wake: () => void = () => undefined;

  constructor(client: LibvirtClient, host: KvmHost) {
    this.#client = client;
    this.#host = host;
  }

  get capabilities(): HostCapabilities {
    return this.#host.capabilities;
  }

  async listen(signal?: AbortSignal): Promise<void> {
    await this.#client.subscribe((event) => {
      this.#events.push(event);
      // Without a watch only what is newest counts: it begins with a full set.
      if (this.#events.length > 10_000) this.#events.splice(0, 5000);
      this.#wake();
    }, signal);
  }

  async refreshCapabilities(signal?: AbortSignal): Promise<HostCapabilities> {
    this.#host = await readKvmHost(this.#client, signal);
    return this.#host.capabilities;
  }

  async *inventory(signal?: AbortSignal): AsyncIterable<InventoryItem> {
    yield await this.#told("Reading the host", readHostFacts(this.#client, this.#host, signal));
    yield* await this.#told("Reading the storage pools", readPools(this.#client, signal));
    yield* await this.#told("Reading the networks", readNetworks(this.#client, signal));
    for (const domain of await this.#told("Reading the VMs", this.#client.domains(signal))) {
      const vm = await readVm(this.#client, domain, signal);
      if (vm !== null) yield vm;
    }
  }

  async *watch(signal: AbortSignal): AsyncIterable<InventoryChange> {
    let lost: AppError | null = null;
    const off = this.#client.onClosed((error) => {
      lost = error;
      this.#wake();
    });
    const known = new Map<string, string>();
    const put = (item: InventoryItem): InventoryChange[] => {
      const key = `${item.kind}\0${item.ref}`;
      const text = JSON.stringify(item);
      if (known.get(key) === text) return [];
      known.set(key, text);
      return [{ type: "put", item }];
    };
    const gone = (kind: InventoryItem["kind"], ref: string): InventoryChange[] =>
      known.delete(`${kind}\0${ref}`) ? [{ type: "gone", kind, ref }] : [];
    try {
      let relistAt = 0;
      while (!signal.aborted) {
        if (lost !== null) throw lost as AppError;
        if (Date.now() >= relistAt) {
          this.#events.length = 0;
          const seen = new Set<string>();
          for await (const item of this.inventory(signal)) {
            seen.add(`${item.kind}\0${item.ref}`);
            yield* put(item);
          }
          for (const key of [...known.keys()].filter((each) => !seen.has(each))) {
            const [kind, ref] = key.split("\0") as [InventoryItem["kind"], string];
            yield* gone(kind, ref);
          }
          relistAt = Date.now() + RELIST_MS;
        }
        const event = this.#events.shift();
        if (event !== undefined) {
          yield* await this.#changesOf(event, put, gone, signal);
          continue;
        }
        await this.#nextEvent(relistAt - Date.now(), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw asAppError(error, "Following the host's changes");
    } finally {
      off();
    }
  }

  #nextEvent(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, timeoutMs));
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
      if (this.#events.length > 0) done();
    });
  }

  async #changesOf(
    event: LibvirtEvent,
    put: (item: InventoryItem) => InventoryChange[],
    gone: (kind: InventoryItem["kind"], ref: string) => InventoryChange[],
    signal: AbortSignal,
  ): Promise<InventoryChange[]> {
    if (event.type === "domain") {
      const vm = await readVm(this.#client, event.domain, signal);
      return vm === null ? gone("vm", event.domain.uuid) : put(vm);
    }
    if (event.type === "pool") {
      const pools = await readPools(this.#client, signal);
      const pool = pools.find((each) => each.ref === event.pool.name);
      return pool === undefined ? gone("pool", event.pool.name) : put(pool);
    }
    const network = (await readNetworks(this.#client, signal)).find((each) => each.ref === event.network.name);
    return network === undefined ? gone("network", event.network.name) : put(network);
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
    const vm = await readVm(this.#client, await this.#domain(ref, signal), signal);
    if (vm === null) throw new AppError("not-found", "vm.not-found", `There is no VM ${ref} on this host.`);
    return vm;
  }

  async power(ref: string, action: PowerAction, signal?: AbortSignal): Promise<void> {
    const before = await this.vm(ref, signal);
    const allowed = canPower(before, action);
    if (allowed !== true) throw new AppError("conflict", "host.refused", allowed.reason);
    const domain = await this.#domain(ref, signal);
    const orders: Record<PowerAction, (domain: DomainRef, signal?: AbortSignal) => Promise<void>> = {
      start: this.#client.start,
      shutdown: this.#client.shutdown,
      stop: this.#client.destroy,
      reboot: this.#client.reboot,
      reset: this.#client.reset,
      pause: this.#client.suspend,
      resume: this.#client.resume,
    };
    await this.#told(`${action} of ${before.name}`, orders[action](domain, signal));
  }

  async #volumeFile(volume: VolumeRef, signal?: AbortSignal): Promise<ImageFile & AsyncDisposable> {
    const info = await this.#told(`Looking at ${volume.name}`, this.#client.volumeInfo(volume, signal));
    const bytes = volumeSource(this.#client, volume, info.physical);
    return {
      name: volume.name,
      bytes,
      sibling: async (name) => {
        // Only a plain name: whatever a hostile image asks for stays in its own pool.
        if (name !== basename(name) || name === "" || name === "." || name === "..") {
          throw new AppError(
            "unprocessable",
            "image.path-escapes",
            `${volume.name} refers to “${name}”, which is outside of its pool.`,
          );
        }
        const pool = await this.#pool(volume.pool, signal);
        const beside = await this.#client.volumeByName(pool, name, signal).catch((cause: unknown) => {
          throw new AppError(
            "unprocessable",
            "image.sibling-missing",
            `${volume.name} needs ${name}, which is not in pool ${volume.pool}.`,
            { cause },
          );
        });
        return this.#volumeFile(beside, signal);
      },
      [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
    };
  }

  async #captured(ref: string, diskId: string, signal?: AbortSignal): Promise<VmDisk & { source: string }> {
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

  async planCapture(ref: string, diskId: string, _tag: string, signal?: AbortSignal): Promise<readonly ResourceRef[]> {
    await this.#captured(ref, diskId, signal);
    return [];
  }

  async openDisk(ref: string, diskId: string, _tag: string, signal?: AbortSignal): Promise<HostDisk> {
    const { source, format } = await this.#captured(ref, diskId, signal);
    const volume = await this.#told(`Looking for ${source}`, this.#client.volumeByPath(source, signal));
    return openImageDisk(await this.#volumeFile(volume, signal), format, signal);
  }

  async openResource(resource: ResourceRef, format: DiskFormatId, signal?: AbortSignal): Promise<HostDisk> {
    const found = await this.#findVolume(resource.ref, signal);
    if (found === null) throw new AppError("not-found", "disk.not-found", `${resource.label} is not on the host.`);
    return openImageDisk(await this.#volumeFile(found, signal), format, signal);
  }

  async #pool(name: string, signal?: AbortSignal): Promise<NamedRef> {
    try {
      return await this.#client.poolByName(name, signal);
    } catch (error) {
      if (isCode(error, ERROR.noPool))
        throw new AppError("not-found", "pool.not-found", `There is no storage pool “${name}” on this host.`, {
          cause: error,
        });
      throw asAppError(error, `Looking for the pool ${name}`);
    }
  }

  /** `pool/name`; null when it is not there. */
  async #findVolume(ref: string, signal?: AbortSignal): Promise<VolumeRef | null> {
    const slash = ref.lastIndexOf("/");
    try {
      const pool = await this.#client.poolByName(ref.slice(0, slash), signal);
      return await this.#client.volumeByName(pool, ref.slice(slash + 1), signal);
    } catch (error) {
      if (isCode(error, ERROR.noPool, ERROR.noVolume)) return null;
      throw asAppError(error, `Looking for ${ref}`);
    }
  }

  async planDisk(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    const extension = EXTENSION[spec.format];
    if (extension === undefined)
      throw new AppError("unprocessable", "host.refused", `KVM hosts take no new ${spec.format} disks.`);
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(spec.name))
      throw new AppError("invalid", "host.refused", `“${spec.name}” cannot be the name of a disk.`);
    const pool = await this.#pool(spec.poolRef, signal);
    // Files that came into the folder by other ways are known only after a refresh; one that is busy is fresh enough.
    await this.#client.poolRefresh(pool, signal).catch((error: unknown) => {
      if (!(error instanceof LibvirtError)) throw error;
    });
    const ref = `${spec.poolRef}/${spec.name}.${extension}`;
    if ((await this.#findVolume(ref, signal)) !== null)
      throw new AppError("conflict", "disk.exists", `There is a disk ${ref} already.`, {
        hint: "Choose another name.",
      });
    return { kind: "disk", ref, label: `disk ${ref}` };
  }

  async createDisk(spec: DiskSpec, signal?: AbortSignal): Promise<PushedDisk> {
    const resource = await this.planDisk(spec, signal);
    const pool = await this.#pool(spec.poolRef, signal);
    const length = spec.fileLength ?? spec.virtualSize;
    const state = await readPool(this.#client, pool, true, signal);
    if (state?.writable === false)
      throw new AppError(
        "unprocessable",
        "pool.not-writable",
        state.whyNotWritable ?? `The pool ${spec.poolRef} takes no disks.`,
      );
    // A raw volume of the file's own length: what is uploaded are the bytes of the file, whatever format they hold.
    const xml = `<volume><name>${escapeXml(basename(resource.ref))}</name><capacity unit='bytes'>${length}</capacity><allocation unit='bytes'>0</allocation><target><format type='raw'/></target></volume>`;
    let volume: VolumeRef;
    try {
      volume = await this.#client.createVolume(pool, xml, signal);
    } catch (error) {
      if (isCode(error, ERROR.volumeExists))
        throw new AppError("conflict", "disk.exists", `There is a disk ${resource.ref} already.`, { cause: error });
      throw asAppError(error, `Making ${resource.ref}`);
    }
    const stream = await this.#told(`Opening ${resource.ref} for writing`, this.#client.upload(volume, signal));
    return { resource, sink: volumeSink(this.#client, stream, volume) };
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
    const paths: string[] = [];
    for (const disk of spec.disks) {
      const volume = await this.#findVolume(disk.resource.ref, signal);
      if (volume === null)
        throw new AppError("not-found", "disk.not-found", `${disk.resource.label} is not on the host.`);
      // For pools of files the key is the path.
      paths.push(volume.key);
    }
    // The pool learns what the uploaded files are.
    for (const name of new Set(
      spec.disks.map((disk) => disk.resource.ref.slice(0, disk.resource.ref.lastIndexOf("/"))),
    )) {
      await this.#client.poolRefresh(await this.#pool(name, signal), signal).catch((error: unknown) => {
        if (!(error instanceof LibvirtError)) throw error;
      });
    }
    const xml = domainXml(spec, tag, { virtType: this.#host.virtType, arch: this.#host.arch, paths });
    await this.#told(`Defining ${spec.name}`, this.#client.define(xml, signal));
    return this.vm(tag, signal);
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    if (resource.kind === "disk") {
      const volume = await this.#findVolume(resource.ref, signal);
      if (volume === null) return;
      await this.#deleteVolume(resource, volume, signal);
      return;
    }
    const domain = await this.#client.domainByUuid(resource.ref, signal).catch((error: unknown) => {
      if (isCode(error, ERROR.noDomain)) return null;
      throw asAppError(error, `Looking for ${resource.label}`);
    });
    if (domain === null) return;
    await this.#client.destroy(domain, signal).catch((error: unknown) => {
      if (!isCode(error, ERROR.operationInvalid, ERROR.noDomain)) throw asAppError(error, `Stopping ${resource.label}`);
    });
    await this.#client.undefine(domain, signal).catch((error: unknown) => {
      if (!isCode(error, ERROR.noDomain)) throw asAppError(error, `Removing ${resource.label}`);
    });
  }

  /** An upload that was just broken off holds its volume for a moment. */
  async #deleteVolume(resource: ResourceRef, volume: VolumeRef, signal?: AbortSignal): Promise<void> {
    const until = Date.now() + STATE_MS;
    for (;;) {
      try {
        await this.#client.deleteVolume(volume, signal);
        return;
      } catch (error) {
        if (isCode(error, ERROR.noVolume)) return;
        if (
          !(error instanceof LibvirtError && /still in use|being allocated/i.test(error.message)) ||
          Date.now() > until
        )
          throw asAppError(error, `Removing ${resource.label}`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }
}
