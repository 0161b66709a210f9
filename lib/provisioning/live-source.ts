/** The VM that is to be read, as its host tells now, in place of what was last seen of it. */
import type { Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import type { PreflightImage } from "#lib/preflight/context.ts";
import type { VersionFacts } from "./facts.ts";
import { onHost } from "./on-host.ts";
import type { SourceVm } from "./source.ts";

const HOST_MS = 60_000;

/** Throws what the host throws; a VM that is gone is for preflight to say. */
export async function withLiveSource(io: JobIO, facts: VersionFacts, source: SourceVm): Promise<VersionFacts> {
  const known = facts.image.source;
  if (known === null) return facts;
  const doing = `Asking ${source.hostName} for ${source.vmName}`;
  const live = await onHost(io, source.hostId, HOST_MS, doing, async (adapter, signal) => {
    const { captureRunning } = await adapter.refreshCapabilities(signal);
    const vm = await adapter.vm(source.vmRef, signal).catch((error: unknown) => {
      if (error instanceof AppError && error.code === "vm.not-found") return null;
      throw error;
    });
    return { captureRunning, vm };
  });
  const disks = sized(facts.image, live.vm, known.diskIds);
  return {
    ...facts,
    virtualSize: disks.reduce((sum, disk) => sum + disk.virtualSize, 0),
    dataBytes: disks.reduce<number | null>(
      (sum, { dataBytes }) => (sum === null || dataBytes === null ? null : sum + dataBytes),
      0,
    ),
    image: { ...facts.image, disks, source: { ...known, ...live, online: true, staleSince: null } },
  };
}

/** A disk may have grown since it was linked. */
function sized({ disks }: PreflightImage, vm: Vm | null, ids: readonly string[]): PreflightImage["disks"] {
  return disks.map((disk, index) => {
    const now = vm?.disks.find(({ id }) => id === ids[index]);
    return now === undefined
      ? disk
      : { ...disk, virtualSize: now.capacity ?? disk.virtualSize, dataBytes: now.allocated ?? disk.dataBytes };
  });
}
