/** Reads a disk back from the host that it was written to and takes its fingerprint. */
import { openHost } from "#lib/hypervisor/registry.ts";
import type { ResourceRef } from "#lib/hypervisor/adapter.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { openImage } from "#lib/disk/registry.ts";
import type { HostConnection, LibvirtSecret } from "#lib/domain/connection.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { serveTask } from "../task.ts";
import type { TransferReport } from "./deploy-disk.task.ts";

export interface FingerprintTargetInput {
  readonly target: HostConnection;
  readonly secret: LibvirtSecret | null;
  readonly dataDir: string;
  readonly resource: ResourceRef;
  readonly format: DiskFormatId;
}

serveTask<FingerprintTargetInput, { fingerprint: string }, TransferReport>(async (input, io) => {
  await using adapter = await openHost(input.target, input.secret, { dataDir: input.dataDir, signal: io.signal });
  await using file = await adapter.openResource(input.resource, io.signal);
  await using image = await openImage(file, { from: input.format, signal: io.signal });
  const fingerprint = await fingerprintDisk(image.disk, {
    signal: io.signal,
    onProgress: ({ done, total }) => io.progress({ done, total, moved: done }),
  });
  return { fingerprint };
});
