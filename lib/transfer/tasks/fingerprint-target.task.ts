/** Reads a disk back from the host that it was written to and takes its fingerprint. */
import { randomUUID } from "node:crypto";
import { openHost } from "#lib/hypervisor/registry.ts";
import type { ResourceRef } from "#lib/hypervisor/adapter.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { fingerprintStream } from "#lib/disk/fingerprint-stream.ts";
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { serveTask } from "../task.ts";
import type { TransferReport } from "./deploy-disk.task.ts";

export interface FingerprintTargetInput {
  readonly target: HostConnection;
  readonly secret: HostSecret | null;
  readonly dataDir: string;
  readonly resource: ResourceRef;
  readonly format: DiskFormatId;
}

serveTask<FingerprintTargetInput, { fingerprint: string }, TransferReport>(async (input, io) => {
  await using adapter = await openHost(input.target, input.secret, { dataDir: input.dataDir, signal: io.signal });
  await using opened = await adapter.openResource(input.resource, input.format, io.signal);
  const options = {
    signal: io.signal,
    onProgress: ({ done, total }: { done: number; total: number }) => io.progress({ done, total, moved: done }),
  };
  const fingerprint =
    opened.access === "random"
      ? await fingerprintDisk(opened.disk, options)
      : await fingerprintStream(opened.stream, {
          ...options,
          spool: { folder: input.dataDir, name: `readback-${randomUUID()}` },
        });
  return { fingerprint };
});
