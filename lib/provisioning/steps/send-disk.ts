/** One disk: named in the ledger, then converted in a thread while it streams into the host's pool. */
import { AppError } from "#lib/errors.ts";
import { openingOf, type LocatedDisk } from "#lib/library/open-version.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import type { ResourceRef } from "#lib/hypervisor/adapter.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { DeployDiskInput, DeployDiskOutput, TransferReport } from "#lib/transfer/tasks/deploy-disk.task.ts";
import { bounded } from "../bounded.ts";
import { diskName, type Deployment, type SentDisk } from "../deployment.ts";
import { enter, markMade } from "../ledger.ts";

const TASK = new URL("../../transfer/tasks/deploy-disk.task.ts", import.meta.url);
const HOST_MS = 60_000;
/** No byte for this long: the host or the network is gone without having said so. */
const STALL_MS = 120_000;

export interface PlannedDisk {
  readonly disk: LocatedDisk;
  readonly name: string;
  readonly resource: ResourceRef;
  readonly seq: number;
}

/** A name that is taken throws `disk.exists` here, before the ledger names it: what was there is never removed. */
export async function planDisks(deployment: Deployment): Promise<PlannedDisk[]> {
  const { io, target, version, hostName } = deployment;
  const planned: PlannedDisk[] = [];
  for (const disk of version.disks) {
    const name = diskName(target, disk.position);
    const spec = {
      poolRef: target.choice.poolRef,
      name,
      format: target.choice.diskFormat,
      virtualSize: disk.virtualSize,
      fileLength: null,
      placement: target.choice.placement,
    };
    const resource = await bounded(io.signal, HOST_MS, `Looking for room on ${hostName}`, (signal) =>
      withHost(io.services, target.hostId, (adapter) => adapter.planDisk(spec, signal), signal),
    );
    planned.push({ disk, name, resource, seq: await enter(io.services.db, io.jobId, target.hostId, resource) });
  }
  return planned;
}

/** Throws `image.changed` when the disk that went by was not the approved one. */
export async function sendDisk(
  deployment: Deployment,
  planned: PlannedDisk,
  onProgress: (report: TransferReport) => void,
): Promise<SentDisk> {
  const { io, target, access } = deployment;
  const { disk, name, resource, seq } = planned;
  const input: DeployDiskInput = {
    target: access.target,
    secret: access.secret,
    dataDir: io.services.dataDir,
    image: { path: disk.path, opening: openingOf(disk) },
    spec: {
      poolRef: target.choice.poolRef,
      name,
      format: target.choice.diskFormat,
      placement: target.choice.placement,
    },
  };
  const sent = await runInThread<DeployDiskInput, DeployDiskOutput, TransferReport>(TASK, input, {
    signal: io.signal,
    stallAfter: STALL_MS,
    onProgress,
  });
  if (sent.resource.ref !== resource.ref) {
    throw new AppError(
      "internal",
      "host.refused",
      `The host made ${sent.resource.label} where ${resource.label} was planned.`,
    );
  }
  await markMade(io.services.db, seq);
  if (sent.fingerprint !== disk.fingerprint) {
    throw new AppError(
      "conflict",
      "image.changed",
      `The file ${disk.fileName} in the library is not what it was when it was analysed.`,
      {
        hint: "Restore the library from its backup, or upload the image again.",
        details: { expected: disk.fingerprint, found: sent.fingerprint },
      },
    );
  }
  return { resource, fingerprint: sent.fingerprint, virtualSize: sent.virtualSize, moved: sent.moved };
}
