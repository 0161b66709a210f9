/** Where a version's disks lie, for whoever deploys them. */
import { join } from "node:path";
import { asc, eq } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { imageDisks, imageVersions } from "#lib/db/schema.ts";
import type { OpenDiskOptions } from "#lib/disk/open-disk.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { GuestFacts } from "#lib/domain/guest.ts";
import { AppError } from "#lib/errors.ts";
import { requireStored } from "./disk-row.ts";
import { openLibrary } from "./store.ts";

export interface LocatedDisk {
  readonly id: string;
  readonly position: number;
  /** Absolute path of the file that opens as the disk; what belongs to it lies beside it. */
  readonly path: string;
  readonly fileName: string;
  /** The disk's name inside that file, when that is a package of a machine. */
  readonly entry: string | null;
  readonly files: readonly string[];
  readonly format: SourceFormatId;
  readonly variant: string;
  /** Bytes the guest sees. */
  readonly virtualSize: number;
  /** `sv1:…` as analysis found it. */
  readonly fingerprint: string;
  readonly dataBytes: number;
  readonly os: GuestFacts["os"];
}

export interface LocatedVersion {
  readonly folder: string;
  readonly disks: readonly LocatedDisk[];
}

/** How its file is opened to give that disk: what analysis found is never guessed anew. */
export function openingOf(disk: Pick<LocatedDisk, "format" | "entry">): OpenDiskOptions {
  return disk.entry === null ? { from: disk.format } : { disk: disk.entry };
}

/** Throws `image.not-found`, `image.not-ready`, `image.linked`, `library.foreign`. */
export async function locateVersion(
  services: { readonly db: Db; readonly dataDir: string },
  versionId: string,
): Promise<LocatedVersion> {
  const [version] = await services.db.select().from(imageVersions).where(eq(imageVersions.id, versionId));
  if (version === undefined)
    throw new AppError("not-found", "image.not-found", "There is no such version of an image.");
  if (version.state !== "ready") {
    throw new AppError("conflict", "image.not-ready", `Version ${version.number} of the image is not ready.`, {
      hint: version.error?.message ?? "Wait until it has been analysed.",
    });
  }
  const folder = (await openLibrary(services)).pathOf(version.folder);
  const disks = await services.db
    .select()
    .from(imageDisks)
    .where(eq(imageDisks.versionId, versionId))
    .orderBy(asc(imageDisks.position));
  return {
    folder,
    disks: disks.map(requireStored).map((disk) => ({
      id: disk.id,
      position: disk.position,
      path: join(folder, disk.fileName),
      fileName: disk.fileName,
      entry: disk.entry,
      files: disk.files,
      format: disk.format,
      variant: disk.variant,
      virtualSize: disk.virtualSize,
      fingerprint: disk.fingerprint,
      dataBytes: disk.allocation.dataBytes,
      os: disk.guest.os,
    })),
  };
}
