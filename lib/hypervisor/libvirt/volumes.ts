/** Volumes of file pools: found by `pool/name`, read as files, made and removed. */
import { basename, dirname } from "node:path/posix";
import type { ImageFile } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, PushedDisk, ResourceRef } from "../adapter.ts";
import type { LibvirtClient } from "./client.ts";
import { readPool } from "./inventory.ts";
import { asAppError, isCode, LibvirtError } from "./libvirt-error.ts";
import { ERROR } from "./procedures.ts";
import type { LibvirtProduct } from "./product.ts";
import type { NamedRef, VolumeRef } from "./types.ts";
import { volumeSink, volumeSource } from "./volume-bytes.ts";
import { escapeXml, parseXml, textAt } from "./xml.ts";

const STATE_MS = 20_000;

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

  async file(volume: VolumeRef, signal?: AbortSignal): Promise<ImageFile & AsyncDisposable> {
    const info = await this.#told(`Looking at ${volume.name}`, this.#client.volumeInfo(volume, signal));
    const bytes = volumeSource(this.#client, volume, info.physical);
    return {
      name: volume.name,
      home: dirname(volume.key),
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
        return this.file(beside, signal);
      },
      [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
    };
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
  async find(ref: string, signal?: AbortSignal): Promise<VolumeRef | null> {
    const slash = ref.lastIndexOf("/");
    try {
      const pool = await this.#client.poolByName(ref.slice(0, slash), signal);
      return await this.#client.volumeByName(pool, ref.slice(slash + 1), signal);
    } catch (error) {
      if (isCode(error, ERROR.noPool, ERROR.noVolume)) return null;
      throw asAppError(error, `Looking for ${ref}`);
    }
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
    const ref = `${spec.poolRef}/${spec.name}.${extension}`;
    if ((await this.find(ref, signal)) !== null)
      throw new AppError("conflict", "disk.exists", `There is a disk ${ref} already.`, {
        hint: "Choose another name.",
      });
    return { kind: "disk", ref, label: `disk ${ref}` };
  }

  async create(spec: DiskSpec, signal?: AbortSignal): Promise<PushedDisk> {
    const resource = await this.plan(spec, signal);
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
