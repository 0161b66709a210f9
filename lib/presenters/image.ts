import type { Image, ImageDetail, ImageDisk, ImageVersion } from "#lib/domain/image.ts";
import { type DiskRow, storedDisk } from "#lib/library/disk-row.ts";
import { type ImageWithVersions, latestOf, type VersionWithDisks } from "#lib/library/image-query.ts";

function presentDisk(disk: DiskRow): ImageDisk {
  const row = storedDisk(disk);
  if (row === null) {
    const { id, position, format, virtualSize, storedSize } = disk;
    return { linked: true, id, position, format, virtualSize, storedSize };
  }
  return {
    linked: false,
    id: row.id,
    position: row.position,
    fileName: row.fileName,
    entry: row.entry,
    files: row.files,
    format: row.format,
    variant: row.variant,
    virtualSize: row.virtualSize,
    storedSize: row.storedSize,
    details: row.details,
    notes: row.notes,
    guest: row.guest,
    allocation: row.allocation,
    sha256: row.sha256,
    fingerprint: row.fingerprint,
  };
}

/** Where its files lie on the server is nobody's business. */
function presentVersion({ row, disks, faults }: VersionWithDisks): ImageVersion {
  return {
    id: row.id,
    number: row.number,
    state: row.state,
    error: row.error,
    source: row.source,
    hints: row.hints,
    disks: disks.map(presentDisk),
    jobId: row.jobId,
    createdAt: row.createdAt.toISOString(),
    createdBy: row.createdByName,
    faults: [...faults],
  };
}

export function presentImage({ row, versions }: ImageWithVersions): Image {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    createdAt: row.createdAt.toISOString(),
    createdBy: row.createdByName,
    latest: presentVersion(latestOf(versions)),
    versionCount: versions.length,
  };
}

export function presentImageDetail(image: ImageWithVersions): ImageDetail {
  return { ...presentImage(image), versions: image.versions.map(presentVersion) };
}
