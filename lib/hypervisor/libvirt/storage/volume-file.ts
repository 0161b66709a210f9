/** A volume as an image file: the files that it stands on are found by libvirt, wherever its pools have them. */
import { basename, dirname, resolve } from "node:path/posix";
import { unprovenImage } from "#lib/disk/backing/backing-chain.ts";
import type { ImageFile } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import type { LibvirtClient } from "../client.ts";
import { asAppError, LibvirtError } from "../libvirt-error.ts";
import type { VolumeRef } from "../types.ts";
import { volumeSource } from "./volume-bytes.ts";

const BLOCK = 1;

type OpenFile = ImageFile & AsyncDisposable;

export interface VolumeFileOptions {
  /**
   * Backing files may lie in other pools. Only for a disk whose format the host itself says: a guest can write into its
   * raw disk what looks like an image that stands on another guest's disk.
   */
  readonly otherPools: boolean;
}

/** Throws `host.*`; its siblings `image.path-escapes`, `image.sibling-missing`, `image.backing-outside-pools`. */
export async function openVolumeFile(
  client: LibvirtClient,
  volume: VolumeRef,
  options: VolumeFileOptions,
  signal?: AbortSignal,
): Promise<OpenFile> {
  return new VolumeChain(client, volume.pool, options).open(volume, signal);
}

class VolumeChain {
  readonly #client: LibvirtClient;
  readonly #pool: string;
  readonly #options: VolumeFileOptions;

  constructor(client: LibvirtClient, pool: string, options: VolumeFileOptions) {
    this.#client = client;
    this.#pool = pool;
    this.#options = options;
  }

  async #told<T>(doing: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw asAppError(error, doing);
    }
  }

  async open(volume: VolumeRef, signal?: AbortSignal): Promise<OpenFile> {
    const { type, capacity, physical } = await this.#told(
      `Looking at ${volume.name}`,
      this.#client.volumeInfo(volume, signal),
    );
    const block = type === BLOCK;
    // Some backends measure their devices only as capacity.
    const size = block && physical === 0 ? capacity : physical;
    const bytes = volumeSource(this.#client, volume, { size, block });
    const path = await this.#told(`Looking at ${volume.name}`, this.#client.volumePath(volume, signal));
    return {
      // Two volumes of one name in different pools are two files.
      name: volume.pool === this.#pool ? volume.name : path,
      home: dirname(path),
      bytes,
      sibling: (name) => this.#sibling(volume, name, signal),
      atPath: (path) =>
        this.#options.otherPools
          ? this.#elsewhere(volume, path, signal)
          : Promise.reject(unprovenImage(volume.name, path)),
      [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
    };
  }

  async #sibling(owner: VolumeRef, name: string, signal?: AbortSignal): Promise<OpenFile> {
    if (name === "" || name !== basename(name) || name === "." || name === "..") throw unprovenImage(owner.name, name);
    const pool = await this.#told(`Looking for the pool ${owner.pool}`, this.#client.poolByName(owner.pool, signal));
    const beside = await this.#client.volumeByName(pool, name, signal).catch((cause: unknown) => {
      if (!(cause instanceof LibvirtError)) throw cause;
      throw new AppError(
        "unprocessable",
        "image.sibling-missing",
        `${owner.name} needs ${name}, which is not in pool ${owner.pool}.`,
        { hint: `Refresh the pool on the host: virsh pool-refresh ${owner.pool}.`, cause },
      );
    });
    return this.open(beside, signal);
  }

  /** A path as libvirt and QEMU read it: from the folder of the file that names it. */
  async #elsewhere(owner: VolumeRef, name: string, signal?: AbortSignal): Promise<OpenFile> {
    const own = await this.#told(`Looking at ${owner.name}`, this.#client.volumePath(owner, signal));
    const path = resolve(dirname(own), name);
    const found = await this.#client.volumeByPath(path, signal).catch((cause: unknown) => {
      if (!(cause instanceof LibvirtError)) throw cause;
      throw new AppError(
        "unprocessable",
        "image.backing-outside-pools",
        `${owner.name} in pool ${owner.pool} stands on ${path.slice(0, 1000)}, which is in no storage pool that libvirt on ${this.#client.name} knows: only what is in a pool can be read.`,
        {
          hint: `Make a pool of its folder on the host (virsh pool-create-as NAME dir --target ${dirname(path).slice(0, 1000)}), or refresh the pool that it lies in; or merge the chain into one file (virsh blockpull, or qemu-img convert while the VM is off).`,
          details: { file: own, path: path.slice(0, 1000) },
          cause,
        },
      );
    });
    return this.open(found, signal);
  }
}
