/** The files of one version as they are, beside what the database knows of them. */
import { constants, type Stats } from "node:fs";
import { access, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isCode } from "#lib/disk/files/file-error.ts";
import type { DiskRow } from "../disk-row.ts";
import { unpackedMark } from "../file-names.ts";
import { folderRef } from "../create-version.ts";
import type { Fault } from "./fault-words.ts";

export type KnownDisk = Pick<DiskRow, "files" | "fileSizes" | "entry" | "storedSize" | "fileName">;

/** File → bytes; null where only the sum is known, or nothing. */
export function knownFiles(disks: readonly KnownDisk[]): Map<string, number | null> {
  const known = new Map<string, number | null>();
  for (const { files, fileSizes, entry, storedSize } of disks) {
    // Analysed before each file's size was kept: of a disk that is one file, its size is that of the disk.
    const alone = fileSizes === null && entry === null && files.length === 1 ? storedSize : null;
    for (const [i, name] of files.entries()) known.set(name, fileSizes?.[i] ?? alone ?? known.get(name) ?? null);
  }
  return known;
}

interface Place {
  /** Absolute path of the library's folder. */
  readonly root: string;
  /** The version's, below it. */
  readonly folder: string;
  readonly versionId: string;
}

/** Files that should be there and are not as they should. */
export async function missingFiles(place: Place, known: ReadonlyMap<string, number | null>): Promise<Fault[]> {
  const { root, folder, versionId } = place;
  const about = (
    fault: Fault["fault"],
    name: string | null,
    expected: number | null,
    actual: number | null,
  ): Fault => ({
    fault,
    place: name === null ? folderRef(folder) : `${folderRef(folder)}/${name}`,
    versionId,
    expected,
    actual,
  });
  if (known.size === 0) return [];
  const there = await look(join(root, folder));
  if (there === null) return [about("folder-missing", null, null, null)];
  if (there === "unreadable") return [about("file-unreadable", null, null, null)];
  if (!there.isDirectory()) return [about("file-not-plain", null, null, null)];
  const faults: Fault[] = [];
  for (const [name, size] of known) {
    const path = join(root, folder, name);
    const file = await look(path);
    if (file === null) faults.push(about("file-missing", name, size, null));
    else if (file === "unreadable") faults.push(about("file-unreadable", name, size, null));
    else if (!file.isFile()) faults.push(about("file-not-plain", name, size, null));
    else if (size !== null && file.size !== size) faults.push(about("wrong-size", name, size, file.size));
    else if (!(await mayRead(path))) faults.push(about("file-unreadable", name, size, null));
  }
  return faults;
}

/** Files in its folder that belong to none of its disks. Marks of unpacked files are ours. */
export async function unknownFiles(place: Place, known: ReadonlySet<string>): Promise<Fault[]> {
  const names = await readdir(join(place.root, place.folder)).catch(() => []);
  return names
    .filter((name) => !known.has(name) && !isMark(name))
    .map((name) => ({
      fault: "unknown-file" as const,
      place: `${folderRef(place.folder)}/${name}`,
      versionId: place.versionId,
      expected: null,
      actual: null,
    }));
}

const isMark = (name: string): boolean => {
  const packed = /^\.(.+)\.unpacked$/u.exec(name)?.[1];
  return packed !== undefined && unpackedMark(packed) === name;
};

/** Null: not there. */
export async function look(path: string): Promise<Stats | "unreadable" | null> {
  return lstat(path).catch((error: unknown) => (isCode(error, "ENOENT", "ENOTDIR") ? null : ("unreadable" as const)));
}

const mayRead = (path: string): Promise<boolean> =>
  access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
