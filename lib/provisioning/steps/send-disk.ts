/** One disk: named in the ledger, then converted in a thread while it streams into the host's pool. */
import { AppError } from "#lib/errors.ts";
import { openingOf } from "#lib/library/open-version.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { ResourceRef } from "#lib/hypervisor/adapter.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { DeployDiskInput, DeployDiskOutput, TransferReport } from "#lib/transfer/tasks/deploy-disk.task.ts";
import type { DeployDisk } from "../deploy-disk.ts";
import { diskName, type Deployment, type SentDisk } from "../deployment.ts";
import { inTurn } from "../in-turn.ts";
import { enter, markMade, markMadeAside } from "../ledger.ts";
import { onHost } from "../on-host.ts";
import type { Reading } from "../source.ts";

const TASK = new URL("../../transfer/tasks/deploy-disk.task.ts", import.meta.url);
const HOST_MS = 60_000;
/** No byte for this long: the host or the network is gone without having said so. */
const STALL_MS = 120_000;
/** A host that lends a VM's disk first makes a snapshot, merges a chain, looks for data. */
const LENDING_STALL_MS = 600_000;

export interface PlannedDisk {
  readonly disk: DeployDisk;
  readonly name: string;
  readonly resource: ResourceRef;
  readonly seq: number;
}

/** A name that is taken throws `disk.exists` here, before the ledger names it: what was there is never removed. */
export async function planDisks(deployment: Deployment): Promise<PlannedDisk[]> {
  const { io, target, disks, hostName } = deployment;
  const planned: PlannedDisk[] = [];
  for (const disk of disks) {
    const name = diskName(target, disk.position);
    const spec = {
      poolRef: target.choice.poolRef,
      name,
      format: target.choice.diskFormat,
      virtualSize: disk.virtualSize,
      fileLength: null,
      placement: target.choice.placement,
    };
    const resource = await onHost(io, target.hostId, HOST_MS, `Looking for room on ${hostName}`, (adapter, signal) =>
      adapter.planDisk(spec, signal),
    );
    const seq = await patiently(() => enter(io.services.db, io.jobId, target.hostId, resource));
    planned.push({ disk, name, resource, seq });
  }
  return planned;
}

function sourceOf({ source }: Deployment, { from }: DeployDisk, reading: Reading | null): DeployDiskInput["from"] {
  if ("stored" in from) return { image: { path: from.stored.path, opening: openingOf(from.stored) } };
  if (source === null || reading === null) throw new RangeError("a disk of a VM without its host");
  const { access, vmRef } = source;
  const { target, secret } = access;
  return { vm: { target, secret, vmRef, diskId: from.diskId, plan: reading.plan } };
}

/** Throws `image.changed` when the disk that went by was not the approved one, `vm.running` when it was of two moments. */
export async function sendDisk(
  deployment: Deployment,
  planned: PlannedDisk,
  reading: Reading | null,
  onProgress: (report: TransferReport) => void,
): Promise<SentDisk> {
  const { io, target, access, source } = deployment;
  const { disk, name, resource, seq } = planned;
  const input: DeployDiskInput = {
    target: access.target,
    secret: access.secret,
    dataDir: io.services.dataDir,
    from: sourceOf(deployment, disk, reading),
    spec: {
      poolRef: target.choice.poolRef,
      name,
      format: target.choice.diskFormat,
      placement: target.choice.placement,
    },
  };
  let opened: Promise<unknown> | null = null;
  let spooled = false;
  const send = () =>
    runInThread<DeployDiskInput, DeployDiskOutput, TransferReport>(TASK, input, {
      signal: io.signal,
      stallAfter: reading === null ? STALL_MS : LENDING_STALL_MS,
      onProgress: (report) => {
        if (report.opened === true && reading !== null) opened ??= markMadeAside(io.services.db, reading.seqs);
        if (report.spooled !== undefined && !spooled) {
          spooled = true;
          // A line that cannot be written must not end the process.
          void io
            .log("info", `The disk is kept in the data folder meanwhile: ${report.spooled}.`)
            .catch(() => undefined);
        }
        onProgress(report);
      },
    });
  const sent = await (source === null ? send() : inTurn(io, source, send));
  await opened;
  if (sent.resource.ref !== resource.ref) {
    throw new AppError(
      "internal",
      "host.refused",
      `The host made ${sent.resource.label} where ${resource.label} was planned.`,
    );
  }
  await patiently(() => markMade(io.services.db, seq));
  if ("stored" in disk.from && sent.fingerprint !== disk.from.stored.fingerprint) {
    throw new AppError(
      "conflict",
      "image.changed",
      `The file ${disk.from.stored.fileName} in the library is not what it was when it was analysed.`,
      {
        hint: "Restore the library from its backup, or upload the image again.",
        details: { expected: disk.from.stored.fingerprint, found: sent.fingerprint },
      },
    );
  }
  const { fingerprint, virtualSize, moved, openedAt, note } = sent;
  return { resource, fingerprint, virtualSize, moved, openedAt, ...(note === undefined ? {} : { note }) };
}
