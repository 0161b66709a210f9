/** Storage of a simulated host: real folders with real files, in a pool of pretended size. */
import { constants } from "node:fs";
import { copyFile, mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { StoragePool } from "#lib/domain/inventory.ts";
import type { ByteSink } from "#lib/disk/io.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, ResourceRef } from "../adapter.ts";
import type { DemoProduct } from "./products.ts";

const EXTENSION: Record<DiskFormatId, string> = {
  raw: "img",
  qcow2: "qcow2",
  vmdk: "vmdk",
  vhd: "vhd",
  vhdx: "vhdx",
  vdi: "vdi",
};

/** A pool's folder: its name with everything that file systems dislike as dashes. */
function folderName(pool: string): string {
  return pool.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replace(/^-+|-+$/g, "");
}

const snapshotPrefix = (tag: string): string => `snapshot-${tag}-`;

export class DemoPools {
  readonly #folder: string;
  readonly #product: DemoProduct;

  constructor(folder: string, product: DemoProduct) {
    this.#folder = join(folder, "pools");
    this.#product = product;
  }

  async prepare(): Promise<void> {
    for (const pool of this.#product.pools) await mkdir(this.#path(pool.name), { recursive: true, mode: 0o700 });
  }

  async list(): Promise<StoragePool[]> {
    return Promise.all(
      this.#product.pools.map(async (pool) => ({
        kind: "pool" as const,
        ref: pool.name,
        name: pool.name,
        type: pool.type,
        capacity: pool.capacity,
        free: Math.max(0, pool.capacity - (await this.#used(pool.name))),
        path: this.#path(pool.name),
        active: true,
        writable: true,
        whyNotWritable: null,
      })),
    );
  }

  /** Throws `pool.not-found`. */
  #pool(ref: string): DemoProduct["pools"][number] {
    const pool = this.#product.pools.find((candidate) => candidate.name === ref);
    if (pool === undefined)
      throw new AppError("not-found", "pool.not-found", `There is no storage pool “${ref}” on this host.`);
    return pool;
  }

  #path(pool: string): string {
    return join(this.#folder, folderName(pool));
  }

  /** Bytes that the pool's files truly occupy. */
  async #used(pool: string): Promise<number> {
    let sum = 0;
    for (const name of await readdir(this.#path(pool)).catch(() => [])) {
      const info = await stat(join(this.#path(pool), name)).catch(() => null);
      sum += info === null ? 0 : info.blocks * 512;
    }
    return sum;
  }

  /** Path of a disk that a resource names. Throws `host.refused` for a name that is none of ours. */
  diskPath(ref: string): string {
    const slash = ref.lastIndexOf("/");
    const pool = this.#pool(ref.slice(0, slash));
    const name = ref.slice(slash + 1);
    if (!/^[A-Za-z0-9._-]+$/.test(name) || name.startsWith("."))
      throw new AppError("invalid", "host.refused", `“${ref}” does not name a disk.`);
    return join(this.#path(pool.name), name);
  }

  async plan(spec: DiskSpec): Promise<ResourceRef> {
    this.#pool(spec.poolRef);
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(spec.name))
      throw new AppError("invalid", "host.refused", `“${spec.name}” cannot be the name of a disk.`);
    const ref = `${spec.poolRef}/${spec.name}.${EXTENSION[spec.format]}`;
    if ((await stat(this.diskPath(ref)).catch(() => null)) !== null) {
      throw new AppError("conflict", "disk.exists", `There is a disk ${ref} already.`, {
        hint: "Choose another name.",
      });
    }
    return { kind: "disk", ref, label: `disk ${ref}` };
  }

  /** Throws `pool.full` when the pool has no room for what is known of the file. */
  async create(spec: DiskSpec, resource: ResourceRef): Promise<ByteSink> {
    const pool = this.#pool(spec.poolRef);
    const used = await this.#used(pool.name);
    const sink = await createFileSink(this.diskPath(resource.ref), { mode: 0o600 });
    return roomLimited(sink, pool.capacity - used, pool.name);
  }

  /** The copies of a running VM's disks that lie beside them while they are read. */
  planSnapshot(tag: string, vmName: string): ResourceRef {
    return { kind: "snapshot", ref: tag, label: `snapshot ${tag} of ${vmName}` };
  }

  /** The copy of one disk, as `diskPath` takes it. */
  inSnapshot(source: string, tag: string): string {
    const slash = source.lastIndexOf("/");
    return `${source.slice(0, slash)}/${snapshotPrefix(tag)}${source.slice(slash + 1)}`;
  }

  /** Of all disks at once; those that are there already are of this snapshot. */
  async snapshot(sources: readonly string[], tag: string): Promise<void> {
    for (const source of sources) {
      const copy = this.diskPath(this.inSnapshot(source, tag));
      if ((await stat(copy).catch(() => null)) !== null) continue;
      await copyFile(this.diskPath(source), copy, constants.COPYFILE_FICLONE);
    }
  }

  async removeSnapshot(tag: string): Promise<void> {
    for (const { name } of this.#product.pools)
      for (const file of await readdir(this.#path(name)).catch(() => []))
        if (file.startsWith(snapshotPrefix(tag))) await rm(join(this.#path(name), file), { force: true });
  }

  async remove(ref: string): Promise<void> {
    const path = this.diskPath(ref);
    await rm(path, { force: true });
    // A transfer that died with its process leaves its unfinished file, `.<name>.<12 hex>.part`, beside the final name.
    const prefix = `.${basename(path)}.`;
    for (const other of await readdir(dirname(path)).catch(() => [])) {
      if (other.startsWith(prefix) && /^[0-9a-f]{12}\.part$/.test(other.slice(prefix.length)))
        await rm(join(dirname(path), other), { force: true });
    }
  }
}

/** Counts what is written against the pool's pretended size, as a full disk would. */
function roomLimited(sink: ByteSink, room: number, pool: string): ByteSink {
  let written = 0;
  return {
    seekable: sink.seekable,
    async write(offset, bytes, signal) {
      written += bytes.length;
      if (written > room) {
        throw new AppError("unprocessable", "pool.full", `The storage pool “${pool}” has no room left.`, {
          hint: "Choose another pool, or free space in this one.",
          details: { free: Math.max(0, room) },
        });
      }
      await sink.write(offset, bytes, signal);
    },
    commit: (length, signal) => sink.commit(length, signal),
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}
