/** Volumes of pools: found by `pool/name`, read as files, made and removed. */
import type { ByteSource, ImageFile } from "#lib/disk/io.ts";
import type { StoragePool } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, PushedDisk, ResourceRef } from "../../adapter.ts";
import type { LibvirtClient } from "../client.ts";
import { readPool } from "../inventory/pools.ts";
import { asAppError, isCode, LibvirtError } from "../libvirt-error.ts";
import { ERROR } from "../procedures.ts";
import type { LibvirtProduct } from "../product.ts";
import type { NamedRef, VolumeRef } from "../types.ts";
import type { DiskPlace } from "./disk-place.ts";
import { diskRef, parseRef } from "./disk-ref.ts";
import { BLOCK_FORMATS, poolKind } from "./pool-kinds.ts";
import { volumeSink } from "./volume-bytes.ts";
import { openVolumeFile, type VolumeFileOptions } from "./volume-file.ts";
import { escapeXml, parseXml, textAt } from "../xml.ts";

const STATE_MS = 20_000;
const BLOCK = 1;
const MiB = 1024 ** 2;

/** Its first bytes. */
function upTo(bytes: ByteSource, length: number): ByteSource {
  return {
    size: Math.min(length, bytes.size),
    read: (offset, into, signal) => bytes.read(offset, into, signal),
    [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
  };
}

export class LibvirtVolumes {
  readonly #client: LibvirtClient;
  readonly #product: Pick<LibvirtProduct, "endings" | "hosts">;

  constructor(client: LibvirtClient, product: Pick<LibvirtProduct, "endings" | "hosts">) {
    this.#client = client;
    this.#product = product;
  }

  async #told<T>(doing: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw asAppError(error, doing);
    }
  }

  async byPath(path: string, signal?: AbortSignal): Promise<VolumeRef> {
    return this.#told(`Looking for ${path}`, this.#client.volumeByPath(path, signal));
  }

  /** When its file was last written, as the host says it; null: it has no such time. */
  async writtenAt(volume: VolumeRef, signal?: AbortSignal): Promise<string | null> {
    const xml = await this.#told(`Looking at ${volume.name}`, this.#client.volumeXml(volume, signal));
    return textAt(await parseXml(xml, "volume", signal), "target", "timestamps", "mtime");
  }

  async file(
    volume: VolumeRef,
    options: VolumeFileOptions,
    signal?: AbortSignal,
  ): Promise<ImageFile & AsyncDisposable> {
    return openVolumeFile(this.#client, volume, options, signal);
  }

  /** A disk that was made here, no longer than what was written: the device may be longer. */
  async made(ref: string, signal?: AbortSignal): Promise<(ImageFile & AsyncDisposable) | null> {
    const volume = await this.find(ref, signal);
    if (volume === null) return null;
    const file = await this.file(volume, { otherPools: false }, signal);
    const { length } = parseRef(ref);
    return length === null ? file : { ...file, bytes: upTo(file.bytes, length) };
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

  /** Null when it is not there. */
  async find(ref: string, signal?: AbortSignal): Promise<VolumeRef | null> {
    const { pool, name } = parseRef(ref);
    try {
      return await this.#client.volumeByName(await this.#client.poolByName(pool, signal), name, signal);
    } catch (error) {
      if (isCode(error, ERROR.noPool, ERROR.noVolume)) return null;
      throw asAppError(error, `Looking for ${ref}`);
    }
  }

  /** Where a domain finds it. Null when it is not there. */
  async place(ref: string, signal?: AbortSignal): Promise<DiskPlace | null> {
    const volume = await this.find(ref, signal);
    if (volume === null) return null;
    const [path, info] = await this.#told(
      `Looking at ${volume.name}`,
      Promise.all([this.#client.volumePath(volume, signal), this.#client.volumeInfo(volume, signal)]),
    );
    return { path, block: info.type === BLOCK };
  }

  /** What lies in the pools is looked at anew; one that is busy is fresh enough. */
  async refresh(pools: Iterable<string>, signal?: AbortSignal): Promise<void> {
    for (const name of pools) {
      await this.#client.poolRefresh(await this.#pool(name, signal), signal).catch((error: unknown) => {
        if (!(error instanceof LibvirtError)) throw error;
      });
    }
  }

  async plan(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    const extension = this.#product.endings[spec.format];
    if (extension === undefined)
      throw new AppError("unprocessable", "host.refused", `${this.#product.hosts} take no new ${spec.format} disks.`);
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(spec.name))
      throw new AppError("invalid", "host.refused", `“${spec.name}” cannot be the name of a disk.`);
    // Files that came into the folder by other ways are known only after a refresh.
    await this.refresh([spec.poolRef], signal);
    const { block } = await this.#poolState(spec.poolRef, signal);
    if (block && !BLOCK_FORMATS.includes(spec.format))
      throw new AppError(
        "unprocessable",
        "pool.format",
        `The pool ${spec.poolRef} consists of block devices, which hold raw disks only, not ${spec.format}.`,
        { hint: "Choose the raw format, or a pool of files." },
      );
    const ref = diskRef(
      block
        ? { pool: spec.poolRef, name: spec.name, length: spec.virtualSize }
        : { pool: spec.poolRef, name: `${spec.name}.${extension}`, length: null },
    );
    const { pool, name } = parseRef(ref);
    if ((await this.find(ref, signal)) !== null)
      throw new AppError("conflict", "disk.exists", `There is a disk ${pool}/${name} already.`, {
        hint: "Choose another name.",
      });
    return { kind: "disk", ref, label: `disk ${pool}/${name}` };
  }

  async #poolState(name: string, signal?: AbortSignal): Promise<{ state: StoragePool | null; block: boolean }> {
    const state = await readPool(this.#client, await this.#pool(name, signal), true, signal);
    return { state, block: state !== null && poolKind(state.type).bytes === "block" };
  }

  async create(spec: DiskSpec, signal?: AbortSignal): Promise<PushedDisk> {
    const resource = await this.plan(spec, signal);
    const pool = await this.#pool(spec.poolRef, signal);
    const length = spec.fileLength ?? spec.virtualSize;
    const { state, block } = await this.#poolState(spec.poolRef, signal);
    if (state?.writable === false)
      throw new AppError(
        "unprocessable",
        "pool.not-writable",
        state.whyNotWritable ?? `The pool ${spec.poolRef} takes no disks.`,
      );
    // Devices come in whole blocks of their pool, all of which are divisors or multiples of this.
    const capacity = block ? Math.ceil(Math.max(length, spec.virtualSize) / MiB) * MiB : length;
    const thick = state !== null && poolKind(state.type).thick;
    // A raw volume of the file's own length: what is uploaded are the bytes of the file, whatever format they hold.
    const xml = `<volume><name>${escapeXml(parseRef(resource.ref).name)}</name><capacity unit='bytes'>${capacity}</capacity><allocation unit='bytes'>${thick ? capacity : 0}</allocation><target><format type='raw'/></target></volume>`;
    let volume: VolumeRef;
    try {
      volume = await this.#client.createVolume(pool, xml, signal);
    } catch (error) {
      if (isCode(error, ERROR.volumeExists))
        throw new AppError("conflict", "disk.exists", `There is a ${resource.label} already.`, { cause: error });
      throw asAppError(error, `Making ${resource.label}`);
    }
    const doing = `Opening ${resource.label} for writing`;
    const { type, capacity: made } = await this.#told(doing, this.#client.volumeInfo(volume, signal));
    const device = type === BLOCK ? made : null;
    const stream = await this.#told(doing, this.#client.upload(volume, device === null, signal));
    return { resource, sink: volumeSink(this.#client, stream, { volume, device }) };
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    const volume = await this.find(resource.ref, signal);
    // An upload that was just broken off holds its volume for a moment.
    const until = Date.now() + STATE_MS;
    while (volume !== null) {
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
}
