/** Disks that this console makes in a pool, found again by name and mark; and those of VMs, as they are read. */
import { z } from "zod";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import { AppError } from "#lib/errors.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import type { CreatedDisk, DiskSpec, ResourceRef } from "../adapter.ts";
import { openExport } from "./disk-export.ts";
import { openImport } from "./disk-import.ts";
import { exportFormatOf, mostOf } from "./image-format.ts";
import { vdiRecord } from "./new-vm.ts";
import { recordSchema, type RecordOf } from "./records.ts";
import type { XapiSession } from "./session.ts";
import { ANYTHING, destroyWhenFree, runTask, type FollowOptions } from "./tasks.ts";
import { asAppError, isFailure, poolFull } from "./xapi-error.ts";

const MARK = "supravisor";
/** The size that was asked for: repositories round up to whole blocks. */
const SIZE_MARK = "supravisor-size";
/** Less than this of a repository left, and an I/O error means that it is full. */
const FULL_BELOW = 16 * 1024 ** 2;
const Refs = z.array(z.string());
const Ref = z.string();
const Drivers = z.record(z.string(), recordSchema("SM"));

interface FoundDisk {
  readonly ref: string;
  readonly record: RecordOf<"VDI">;
}

export class PoolDisks {
  readonly #session: XapiSession;
  readonly #stallMs: number;

  constructor(session: XapiSession, stallMs: number) {
    this.#session = session;
    this.#stallMs = stallMs;
  }

  #follow(doing: string, signal?: AbortSignal): FollowOptions {
    return { doing, stallMs: this.#stallMs, ...(signal === undefined ? {} : { signal }) };
  }

  async #repository(uuid: string, signal?: AbortSignal): Promise<{ ref: string; record: RecordOf<"SR"> }> {
    try {
      const ref = await this.#session.call("SR.get_by_uuid", [uuid], Ref, signal);
      return { ref, record: await this.#session.call("SR.get_record", [ref], recordSchema("SR"), signal) };
    } catch (error) {
      if (isFailure(error, "UUID_INVALID", "HANDLE_INVALID"))
        throw new AppError("not-found", "pool.not-found", `There is no storage repository “${uuid}” in this pool.`, {
          cause: error,
        });
      throw asAppError(error, `Looking for the storage repository ${uuid}`);
    }
  }

  /** Every disk of that name in the repository, snapshots of such disks apart. */
  async #named(sr: string, name: string, signal?: AbortSignal): Promise<FoundDisk[]> {
    const refs = await this.#session.call("VDI.get_by_name_label", [name], Refs, signal);
    const found: FoundDisk[] = [];
    for (const ref of refs) {
      const record = await this.#session
        .call("VDI.get_record", [ref], recordSchema("VDI"), signal)
        .catch((error: unknown) => {
          // Gone between the two questions.
          if (isFailure(error, "HANDLE_INVALID")) return null;
          throw error;
        });
      if (record !== null && record.SR === sr && !record.is_a_snapshot) found.push({ ref, record });
    }
    return found;
  }

  /** Null: it is not there, or not ours. */
  async find(resource: ResourceRef, signal?: AbortSignal): Promise<FoundDisk | null> {
    const slash = resource.ref.indexOf("/");
    const [uuid, name] = [resource.ref.slice(0, slash), resource.ref.slice(slash + 1)];
    try {
      const { ref: sr } = await this.#repository(uuid, signal);
      return (await this.#named(sr, name, signal)).find((disk) => disk.record.other_config[MARK] !== undefined) ?? null;
    } catch (error) {
      if (error instanceof AppError && error.code === "pool.not-found") return null;
      throw asAppError(error, `Looking for ${resource.label}`);
    }
  }

  async plan(spec: DiskSpec, signal?: AbortSignal): Promise<ResourceRef> {
    if (spec.format !== "raw" && spec.format !== "vhd")
      throw new AppError("unprocessable", "host.refused", `Xen pools take no ${spec.format} disks.`);
    const { ref: sr, record } = await this.#repository(spec.poolRef, signal);
    try {
      await this.#requireTakes(record, spec, signal);
      if ((await this.#named(sr, spec.name, signal)).length > 0)
        throw new AppError(
          "conflict",
          "disk.exists",
          `There is a disk “${spec.name}” on ${record.name_label} already.`,
          {
            hint: "Choose another name.",
          },
        );
    } catch (error) {
      throw asAppError(error, `Looking for a disk ${spec.name}`);
    }
    return {
      kind: "disk",
      ref: `${spec.poolRef}/${spec.name}`,
      label: `disk ${spec.name} on ${record.name_label}`,
    };
  }

  /** Throws `disk.too-large`. Most disks are small enough for every repository, and nothing needs to be asked. */
  async #requireTakes(sr: RecordOf<"SR">, { name, virtualSize }: DiskSpec, signal?: AbortSignal): Promise<void> {
    if (virtualSize <= mostOf(undefined)) return;
    const drivers = await this.#session.call("SM.get_all_records", [], Drivers, signal);
    const most = mostOf(Object.values(drivers).find((driver) => driver.type === sr.type));
    if (virtualSize <= most) return;
    throw new AppError(
      "unprocessable",
      "disk.too-large",
      `${name} has ${formatBytes(virtualSize)}; ${sr.name_label} takes disks of ${formatBytes(most)} at most.`,
      { hint: "Choose a repository whose driver has QCOW2 disks (XCP-ng 8.3 with its updates)." },
    );
  }

  async create(spec: DiskSpec, signal?: AbortSignal): Promise<CreatedDisk> {
    const resource = await this.plan(spec, signal);
    const { ref: sr } = await this.#repository(spec.poolRef, signal);
    const doing = `Making ${resource.label}`;
    const marks = { [MARK]: "disk", [SIZE_MARK]: String(spec.virtualSize) };
    const vdi = await runTask(
      this.#session,
      "VDI.create",
      [vdiRecord(sr, spec.name, spec.virtualSize, marks)],
      this.#follow(doing, signal),
    );
    const sink = await openImport(this.#session, {
      vdi,
      format: spec.format === "vhd" ? "vhd" : "raw",
      fileLength: spec.fileLength,
      doing: `Writing ${resource.label}`,
      stallMs: this.#stallMs,
      explain: (error) => this.#explain(error, sr, resource),
      ...(signal === undefined ? {} : { signal }),
    });
    return { resource, sink };
  }

  /** A repository that ran full says no more than “I/O error”. */
  async #explain(error: unknown, sr: string, resource: ResourceRef): Promise<unknown> {
    if (!(error instanceof AppError) || !["VDI_IO_ERROR", "INTERNAL_ERROR"].includes(String(error.details?.["code"])))
      return error;
    try {
      await this.#session.call("SR.scan", [sr], ANYTHING).catch(() => undefined);
      const { physical_size: size, physical_utilisation: used } = await this.#session.call(
        "SR.get_record",
        [sr],
        recordSchema("SR"),
      );
      return size > 0 && size - used < FULL_BELOW ? poolFull(`Writing ${resource.label}`, error) : error;
    } catch {
      return error;
    }
  }

  async openResource(resource: ResourceRef, signal?: AbortSignal): Promise<DiskStream> {
    const found = await this.find(resource, signal);
    if (found === null) throw new AppError("not-found", "disk.not-found", `${resource.label} is not in the pool.`);
    const asked = Number(found.record.other_config[SIZE_MARK]);
    const size =
      Number.isSafeInteger(asked) && asked > 0 ? Math.min(asked, found.record.virtual_size) : found.record.virtual_size;
    const { type } = await this.#session.call("SR.get_record", [found.record.SR], recordSchema("SR"), signal);
    return this.open({ vdi: found.ref, size, format: exportFormatOf(type, found.record) }, resource.label, signal);
  }

  open(
    { vdi, size, format }: { readonly vdi: string; readonly size: number; readonly format: "vhd" | "raw" },
    label: string,
    signal?: AbortSignal,
  ): Promise<DiskStream> {
    return openExport(this.#session, {
      vdi,
      format,
      size,
      doing: `Reading ${label}`,
      stallMs: this.#stallMs,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async remove(resource: ResourceRef, signal?: AbortSignal): Promise<void> {
    const found = await this.find(resource, signal);
    if (found !== null) await this.destroy(found.ref, `Removing ${resource.label}`, signal);
  }

  destroy(vdi: string, doing: string, signal?: AbortSignal): Promise<void> {
    return destroyWhenFree(this.#session, "VDI.destroy", vdi, this.#follow(doing, signal));
  }
}
