/** A disk from wherever it is read into a new volume on a host: straight, or kept meanwhile where there is no other way. */
import type { BlockSource } from "#lib/disk/block-source.ts";
import { type Conversion, parseOptions, planConversion } from "#lib/disk/convert.ts";
import { convertStream } from "#lib/disk/convert-stream.ts";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import type { SpoolPlace } from "#lib/disk/files/spool.ts";
import { formatOf } from "#lib/disk/registry.ts";
import { spoolStream } from "#lib/disk/spool-stream.ts";
import { streamRoute } from "#lib/disk/stream-route.ts";
import type { TransferProgress } from "#lib/disk/write-plan.ts";
import { ZeroDisk } from "#lib/disk/zero-disk.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, HypervisorAdapter, Intake, ResourceRef } from "./adapter.ts";
import { fillDisk } from "./fill-disk.ts";

export interface Delivery {
  /** Stays the caller's to dispose. */
  readonly source:
    | { readonly access: "random"; readonly disk: BlockSource }
    | { readonly access: "once"; readonly stream: DiskStream };
  readonly adapter: Pick<HypervisorAdapter, "capabilities" | "createDisk" | "intake">;
  readonly spec: Omit<DiskSpec, "fileLength" | "virtualSize">;
  /** Where a disk that passes by once may be kept. */
  readonly spool: SpoolPlace;
  /** Told once when it must be: why, in words for a person. */
  readonly onSpool: (reason: string) => void;
  readonly signal: AbortSignal;
  /** `total` is the disk's size, also where it is read and written one after the other. */
  readonly onProgress: (progress: TransferProgress) => void;
}

export interface Delivered extends Conversion {
  readonly resource: ResourceRef;
  readonly virtualSize: number;
}

/** Throws what source, format and host throw, and `io.no-space`; then the volume is left to `remove`. */
export async function deliverDisk(delivery: Delivery): Promise<Delivered> {
  const { source } = delivery;
  return source.access === "random" ? fromDisk(source.disk, delivery) : fromStream(source.stream, delivery);
}

type Rest = Omit<Delivery, "source">;

const optionsOf = ({ adapter, spec }: Rest) => adapter.capabilities.formatOptions[spec.format] ?? {};

async function fromDisk(disk: BlockSource, rest: Rest): Promise<Delivered> {
  const { adapter, spec, signal, onProgress } = rest;
  const options = optionsOf(rest);
  const { fileLength } = await planConversion(disk, spec.format, options, signal);
  const created = await adapter.createDisk({ ...spec, virtualSize: disk.size, fileLength }, signal);
  const outcome = await fillDisk(created, { disk, to: spec.format, options, signal, onProgress });
  return { resource: created.resource, virtualSize: disk.size, ...outcome };
}

async function fromStream(stream: DiskStream, rest: Rest): Promise<Delivered> {
  const { adapter, spec, spool, onSpool, signal, onProgress } = rest;
  const options = optionsOf(rest);
  const virtualSize = stream.size;
  const straight = await straightInto(adapter.intake(spec.format), stream, rest);
  if ("reason" in straight) {
    onSpool(straight.reason);
    const half = (done: number) => Math.floor(done / 2);
    await using disk = await spoolStream(stream, spool, {
      signal,
      onProgress: ({ done }) => onProgress({ done: half(done), total: virtualSize, moved: 0 }),
    });
    return await fromDisk(disk, {
      ...rest,
      onProgress: ({ done, moved }) => onProgress({ done: half(virtualSize + done), total: virtualSize, moved }),
    });
  }
  const created = await adapter.createDisk({ ...spec, virtualSize, fileLength: straight.fileLength }, signal);
  if ("pull" in created)
    throw new AppError("internal", "host.refused", "The host wants to fetch a disk that only passes by.");
  await using sink = created.sink;
  const { fileLength, fingerprint, moved } = await convertStream({
    stream,
    to: spec.format,
    options,
    sink,
    spool,
    onSpool,
    signal,
    onProgress,
  });
  return { resource: created.resource, virtualSize, fileLength, fingerprint, moved };
}

/** The file's length as far as the host must know it, or why the disk cannot go there as it comes. */
async function straightInto(
  intake: Intake,
  stream: DiskStream,
  rest: Rest,
): Promise<{ readonly fileLength: number | null } | { readonly reason: string }> {
  if (intake === "by-range") return { reason: "the target fetches the file itself, part by part" };
  const format = formatOf(rest.spec.format);
  const route = streamRoute(format, parseOptions(format, optionsOf(rest)), stream, intake === "any-order");
  if (route.way === "spool") return { reason: route.reason };
  if (intake !== "known-length") return { fileLength: null };
  // Where every block has its place the file is as long for a disk of zeros.
  if (route.way === "append" && route.layout.everyBlock) {
    const zeros = new ZeroDisk(stream.size);
    return await planConversion(zeros, rest.spec.format, optionsOf(rest), rest.signal);
  }
  return { reason: "the target must know how long the file becomes before its first byte" };
}
