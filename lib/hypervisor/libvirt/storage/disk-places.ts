/** Which volume of which pool a domain's disk is. */
import { dirname, normalize } from "node:path/posix";
import type { StoragePool, VmDisk } from "#lib/domain/inventory.ts";
import type { LibvirtClient } from "../client.ts";
import { readPools } from "../inventory/pools.ts";
import { isCode, LibvirtError } from "../libvirt-error.ts";
import { ERROR } from "../procedures.ts";
import type { VolumeRef } from "../types.ts";
import { poolKind } from "./pool-kinds.ts";

/** What libvirt did not know is asked again after this time, or when a pool has changed: it logs an error for each. */
const UNKNOWN_MS = 600_000;

type Client = Pick<
  LibvirtClient,
  | "pools"
  | "poolXml"
  | "poolInfo"
  | "poolByName"
  | "poolRefresh"
  | "volumeByName"
  | "volumeByPath"
  | "volumeInfo"
  | "volumePath"
>;

/** Not in a pool: why. */
class NotThere extends Error {
  /** The pool in whose folder it lies, and which has not seen it. */
  readonly unseenBy: string | null;

  constructor(message: string, unseenBy: string | null = null) {
    super(message);
    this.unseenBy = unseenBy;
  }
}

/** A host that names new paths again and again is asked again instead of remembered. */
const MOST_UNKNOWN = 10_000;

export class DiskPlaces {
  readonly #client: Client;
  readonly #now: () => number;
  #pools: readonly StoragePool[] | null = null;
  /** Of paths and `pool/volume`: why nothing is there, and when to ask again. */
  readonly #unknown = new Map<string, { readonly why: string; readonly askAt: number }>();
  readonly #refreshedAt = new Map<string, number>();

  constructor(client: Client, now: () => number = Date.now) {
    this.#client = client;
    this.#now = now;
  }

  /** The pools as they are now. */
  note(pools: readonly StoragePool[]): void {
    const shape = (all: readonly StoragePool[] | null): string =>
      JSON.stringify(all?.map(({ ref, type, path, active }) => [ref, type, path, active]));
    if (shape(pools) !== shape(this.#pools)) this.#unknown.clear();
    this.#pools = pools;
  }

  /** A pool has other volumes than before. */
  changed(): void {
    this.#unknown.clear();
  }

  /** The disk with the pool that it lies in and its size, or with the reason why it cannot be read. */
  async locate(disk: VmDisk, signal?: AbortSignal): Promise<VmDisk> {
    if (disk.source === null || disk.captureBlocker !== null) return disk;
    const known = this.#unknown.get(disk.source);
    if (known !== undefined && this.#now() < known.askAt) return { ...disk, captureBlocker: known.why };
    try {
      const volume = await this.#volume(disk, disk.source, signal);
      const info = await this.#client.volumeInfo(volume, signal);
      const source = disk.storageRef === null ? disk.source : await this.#client.volumePath(volume, signal);
      const kind = this.#poolOf(volume.pool);
      const captureBlocker =
        kind !== null && poolKind(kind.type).bytes === null
          ? `The disk lies in the pool ${kind.name} (${kind.type}): ${poolKind(kind.type).whyNoNew ?? ""}.`
          : null;
      const allocated = info.physical === 0 && info.type !== 0 ? info.capacity : info.physical;
      return { ...disk, source, storageRef: volume.pool, capacity: info.capacity, allocated, captureBlocker };
    } catch (error) {
      if (!(error instanceof LibvirtError || error instanceof NotThere)) throw error;
      const why = error instanceof NotThere ? error.message : `libvirt does not show the disk: ${error.message}.`;
      if (this.#unknown.size >= MOST_UNKNOWN) this.#unknown.clear();
      this.#unknown.set(disk.source, { why, askAt: this.#now() + UNKNOWN_MS });
      if (error instanceof NotThere && error.unseenBy !== null) this.#lookAgain(error.unseenBy);
      return { ...disk, captureBlocker: why };
    }
  }

  #poolOf(name: string): StoragePool | null {
    return this.#pools?.find((pool) => pool.ref === name) ?? null;
  }

  async #volume(disk: VmDisk, source: string, signal?: AbortSignal): Promise<VolumeRef> {
    this.#pools ??= await readPools(this.#client, signal);
    return disk.storageRef === null
      ? this.#byPath(source, signal)
      : this.#byName(disk.storageRef, source.slice(disk.storageRef.length + 1), signal);
  }

  async #byName(pool: string, name: string, signal?: AbortSignal): Promise<VolumeRef> {
    const found = this.#poolOf(pool);
    if (found === null)
      throw new NotThere(`The disk is the volume ${name} of the pool ${pool}, which is not on this host.`);
    if (!found.active)
      throw new NotThere(
        `The disk is the volume ${name} of the pool ${pool}, which is not active. Start the pool first.`,
      );
    try {
      return await this.#client.volumeByName(await this.#client.poolByName(pool, signal), name, signal);
    } catch (error) {
      if (!isCode(error, ERROR.noPool, ERROR.noVolume)) throw error;
      throw new NotThere(`The disk is the volume ${name} of the pool ${pool}, which has no such volume.`);
    }
  }

  async #byPath(path: string, signal?: AbortSignal): Promise<VolumeRef> {
    const folder = dirname(normalize(path));
    const active = (this.#pools ?? []).filter((pool) => pool.active && pool.path !== null);
    const holding = active.find((pool) => normalize(`${pool.path}/`) === normalize(`${folder}/`));
    // A device may have many names; libvirt knows those of its pools.
    const mayBeDevice = path.startsWith("/dev/") && active.some((pool) => pool.path?.startsWith("/dev") === true);
    const where = path.startsWith("/dev/") ? `The disk is the block device ${path}` : `The disk is the file ${path}`;
    if (holding === undefined && !mayBeDevice)
      throw new NotThere(
        `${where}, which is in no active storage pool that libvirt knows: only what is in a pool can be read.`,
      );
    try {
      return await this.#client.volumeByPath(path, signal);
    } catch (error) {
      if (!isCode(error, ERROR.noVolume, ERROR.noPool)) throw error;
      if (holding === undefined) throw new NotThere(`${where}, which libvirt finds in none of its pools.`);
      throw new NotThere(
        `${where}, which the pool ${holding.name} has not seen yet. It is being refreshed; if this stays, look at virsh pool-refresh ${holding.name} on the host.`,
        holding.ref,
      );
    }
  }

  /** Not waited for: it takes minutes where images are many and the storage is slow. Its end is an event. */
  #lookAgain(pool: string): void {
    if (this.#now() < (this.#refreshedAt.get(pool) ?? -Infinity) + UNKNOWN_MS) return;
    this.#refreshedAt.set(pool, this.#now());
    const refresh = async (): Promise<void> => {
      await this.#client.poolRefresh(await this.#client.poolByName(pool));
      this.changed();
    };
    void refresh().catch(() => undefined);
  }
}
