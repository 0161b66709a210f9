/** Everything that the steps of one deploy share: what was approved, and the way to image and host. */
import { eq } from "drizzle-orm";
import { requests, requestTargets } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { loadHostAccess, type HostAccess } from "#lib/inventory/host-access.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { locateVersion } from "#lib/library/open-version.ts";
import type { ResourceRef } from "#lib/hypervisor/adapter.ts";
import type { DeployDisk } from "./deploy-disk.ts";
import { openSource, type SourceVm } from "./source.ts";

type RequestRow = typeof requests.$inferSelect;
type TargetRow = typeof requestTargets.$inferSelect;

export interface Deployment {
  readonly io: JobIO;
  readonly request: RequestRow;
  readonly target: TargetRow;
  readonly access: HostAccess;
  readonly hostName: string;
  /** In boot order. */
  readonly disks: readonly DeployDisk[];
  /** The VM that has the disks; null: they lie in the library. */
  readonly source: SourceVm | null;
}

/** One disk as it arrived. */
export interface SentDisk {
  readonly resource: ResourceRef;
  readonly fingerprint: string;
  readonly virtualSize: number;
  readonly moved: number;
  /** When its first byte could be read. ISO 8601. */
  readonly openedAt: string;
  /** What its source host says of the bytes, a whole sentence. */
  readonly note?: string;
}

export interface LoadedTarget {
  readonly request: RequestRow;
  readonly target: TargetRow;
}

export async function loadTarget(io: JobIO): Promise<LoadedTarget> {
  const [row] = await io.services.db
    .select({ request: requests, target: requestTargets })
    .from(requestTargets)
    .innerJoin(requests, eq(requests.id, requestTargets.requestId))
    .where(eq(requestTargets.id, String(io.input["targetId"])));
  if (row === undefined)
    throw new AppError("not-found", "request.not-found", "The request of this job is not there any more.");
  return row;
}

export async function openDeployment(io: JobIO, row: LoadedTarget): Promise<Deployment> {
  const access = await loadHostAccess(io.services, row.target.hostId);
  const common = { io, ...row, access, hostName: access.row.name };
  const linked = await openSource(io, row.request.imageVersionId);
  if (linked !== null) return { ...common, ...linked };
  const { disks } = await locateVersion(io.services, row.request.imageVersionId);
  return {
    ...common,
    source: null,
    disks: disks.map((stored) => ({
      position: stored.position,
      virtualSize: stored.virtualSize,
      os: stored.os,
      from: { stored },
    })),
  };
}

/** `web-01` and the first digits of the target's tag: no other request, and nobody else, uses this name on the host. */
export function diskName(target: Pick<TargetRow, "choice" | "tag">, position: number): string {
  const slug = target.choice.name
    .normalize("NFKD")
    .replaceAll(/\p{M}+/gu, "")
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[-._]+|[-._]+$/g, "")
    .slice(0, 48);
  return `${slug === "" ? "vm" : slug}-${target.tag.slice(0, 8)}${position === 0 ? "" : `-${position}`}`;
}
