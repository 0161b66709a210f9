/** The VM whose disks a deploy reads: on its host nothing stays of the reading, however the job ends. */
import { asc, eq } from "drizzle-orm";
import { imageDisks, imageVersions } from "#lib/db/schema.ts";
import { toldGuest } from "#lib/domain/told-guest.ts";
import { errorToJson } from "#lib/errors.ts";
import { loadHostAccess, type HostAccess } from "#lib/inventory/host-access.ts";
import type { CapturePlan } from "#lib/hypervisor/adapter.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { isOurTrouble } from "#lib/jobs/patience.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import type { DeployDisk } from "./deploy-disk.ts";
import { planInTurn } from "./in-turn.ts";
import { entriesOf, undoEntries } from "./ledger.ts";
import { onHost } from "./on-host.ts";

const HOST_MS = 60_000;
const REMOVE_MS = 120_000;

export interface SourceVm {
  readonly hostId: string;
  readonly hostName: string;
  readonly access: HostAccess;
  readonly vmRef: string;
  readonly vmName: string;
}

/** How the disks are read, all at one moment, and the ledger's entries of what that makes. */
export interface Reading {
  readonly plan: CapturePlan;
  readonly seqs: readonly number[];
}

/** Null: the version's disks lie in the library. Throws `host.not-found`. */
export async function openSource(
  io: JobIO,
  versionId: string,
): Promise<{ source: SourceVm; disks: readonly DeployDisk[] } | null> {
  const { db } = io.services;
  const [version] = await db.select().from(imageVersions).where(eq(imageVersions.id, versionId));
  if (version?.source.kind !== "linked" || version.state !== "ready") return null;
  const linked = version.source;
  const rows = await db
    .select()
    .from(imageDisks)
    .where(eq(imageDisks.versionId, versionId))
    .orderBy(asc(imageDisks.position));
  const access = await loadHostAccess(io.services, linked.hostId);
  return {
    source: {
      hostId: linked.hostId,
      hostName: access.row.name,
      access,
      vmRef: linked.vmRef,
      vmName: linked.vmName,
    },
    disks: rows.flatMap(({ position, virtualSize }) => {
      const disk = linked.disks[position];
      if (disk === undefined) return [];
      return [{ position, virtualSize, os: toldGuest(linked.guestOs), from: { diskId: disk.id } }];
    }),
  };
}

/** Enters all that reading will make, before any of it is made. Throws `vm.running`, `disk.*`, `host.*`. */
export function planReading(io: JobIO, source: SourceVm, disks: readonly DeployDisk[]): Promise<Reading> {
  const diskIds = disks.flatMap(({ from }) => ("diskId" in from ? [from.diskId] : []));
  const doing = `Asking ${source.hostName} for the disks of ${source.vmName}`;
  return planInTurn(io, source, () =>
    onHost(io, source.hostId, HOST_MS, doing, (adapter, signal) =>
      adapter.planCapture(source.vmRef, diskIds, io.jobId, signal),
    ),
  );
}

/** Removes what reading made. Answers with what is still there: the sweep comes back for it. */
export async function endReading(io: JobIO, source: SourceVm, { seqs }: Reading): Promise<string[]> {
  const { db } = io.services;
  const entries = await entriesOf(db, seqs);
  if (entries.length === 0) return [];
  const signal = AbortSignal.timeout(REMOVE_MS);
  try {
    const { removed, left } = await withHost(
      io.services,
      source.hostId,
      (adapter) => undoEntries(db, entries, adapter, signal),
      signal,
    );
    for (const entry of removed) await io.log("info", `Removed ${entry.label} from ${source.hostName}.`);
    for (const { entry, error } of left)
      await io.log(
        "warn",
        `${entry.label} could not be removed from ${source.hostName}: ${errorToJson(error).message}`,
      );
    return left.map(({ entry }) => `${entry.label} on ${source.hostName}`);
  } catch (error) {
    if (isOurTrouble(error)) throw error;
    await io.log("warn", `${source.hostName} could not be cleaned up: ${errorToJson(error).message}`);
    return entries.map((entry) => `${entry.label} on ${source.hostName}`);
  }
}
