/** Converts one disk of an image while it streams into a new volume on a host. */
import { dirname } from "node:path";
import { fillDisk } from "#lib/hypervisor/fill-disk.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import type { DiskSpec, ResourceRef } from "#lib/hypervisor/adapter.ts";
import { planConversion } from "#lib/disk/convert.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import { openDisk, type OpenDiskOptions } from "#lib/disk/open-disk.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import { serveTask } from "../task.ts";

export interface DeployDiskInput {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly dataDir: string;
  readonly image: { readonly path: string; readonly opening: Pick<OpenDiskOptions, "from" | "disk"> };
  readonly spec: Omit<DiskSpec, "fileLength" | "virtualSize">;
}

export interface DeployDiskOutput {
  readonly resource: ResourceRef;
  /** Of the source disk, taken while its bytes passed by. */
  readonly fingerprint: string;
  readonly fileLength: number;
  readonly moved: number;
  readonly virtualSize: number;
}

export interface TransferReport {
  readonly done: number;
  readonly total: number;
  readonly moved: number;
}

serveTask<DeployDiskInput, DeployDiskOutput, TransferReport>(async (input, io) => {
  await using file = await openImageFile(input.image.path);
  await using image = await openDisk(file, {
    ...input.image.opening,
    spool: { folder: dirname(input.image.path), name: "deploy" },
    signal: io.signal,
  });
  await using adapter = await openHost(input.target, input.secret, { dataDir: input.dataDir, signal: io.signal });
  const options = adapter.capabilities.formatOptions[input.spec.format] ?? {};
  const { fileLength } = await planConversion(image.disk, input.spec.format, options, io.signal);
  const created = await adapter.createDisk({ ...input.spec, virtualSize: image.disk.size, fileLength }, io.signal);
  const outcome = await fillDisk(created, {
    disk: image.disk,
    to: input.spec.format,
    options,
    signal: io.signal,
    onProgress: io.progress,
  });
  return { resource: created.resource, virtualSize: image.disk.size, ...outcome };
});
