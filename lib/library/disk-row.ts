/** Rows of disks: of those that lie in the library everything is known, of those that stay on their host next to nothing. */
import type { imageDisks } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";

export type DiskRow = typeof imageDisks.$inferSelect;

type Analysed = "fileName" | "format" | "variant" | "storedSize" | "guest" | "allocation" | "fingerprint";
export type StoredDiskRow = Omit<DiskRow, Analysed> & { [K in Analysed]: NonNullable<DiskRow[K]> };

/** Null: the disk stays on its host. What analysis finds is in the row altogether or not at all. */
export function storedDisk(row: DiskRow): StoredDiskRow | null {
  const { fileName, format, variant, storedSize, guest, allocation, fingerprint } = row;
  if (
    fileName === null ||
    format === null ||
    variant === null ||
    storedSize === null ||
    guest === null ||
    allocation === null ||
    fingerprint === null
  )
    return null;
  return { ...row, fileName, format, variant, storedSize, guest, allocation, fingerprint };
}

/** Throws `image.linked` for a disk that stays on its host: there is no file of it here. */
export function requireStored(row: DiskRow): StoredDiskRow {
  const stored = storedDisk(row);
  if (stored === null) throw imageLinked();
  return stored;
}

export function imageLinked(): AppError {
  return new AppError(
    "conflict",
    "image.linked",
    "The disk stays on its host: there is no file of it in the library.",
    {
      hint: "Capture it on the page of its VM, or deploy it from where it is.",
    },
  );
}
