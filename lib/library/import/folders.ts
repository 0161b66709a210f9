/** Folders of the server that an administrator opened for import: nothing outside them can be named. */
import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { throughFd } from "#lib/disk/files/folder-tree.ts";
import { closeFd, type LocatedFile } from "#lib/disk/files/open-located.ts";
import type { FolderEntry } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";
import { importGuard, type ImportGuard, type ImportPlace, openJudged, outsideFolders } from "./import-guard.ts";

const MOST_ENTRIES = 5000;

export interface Importable {
  /** True path. */
  readonly path: string;
  /** A machine's folder. */
  readonly folder: boolean;
}

/**
 * A file or folder that may be imported, for words and names: whoever reads it opens it with the guard again.
 * Throws `import.outside-folders`, `import.not-a-file`, `import.hard-linked`, `import.unreadable`.
 */
export async function requireImportable(place: ImportPlace, path: string): Promise<Importable> {
  const file = await openJudged(path, "either", await importGuard(place));
  await closeFd(file.fd);
  return { path: file.path, folder: file.stats.isDirectory() };
}

/**
 * The allowed folders that are there for an empty path, else what lies in that folder: folders first, by name.
 * Throws `import.outside-folders`, `import.not-a-folder`, `import.unreadable`.
 */
export async function listImportFolder(place: ImportPlace, path: string): Promise<FolderEntry[]> {
  const guard = await importGuard(place);
  if (path === "") {
    // One that is not there yet, or may not be used any more, is named in the settings and not offered here.
    const usable = await Promise.all(place.folders.map((folder) => judged(folder, "folder", guard)));
    return place.folders
      .filter((_, i) => usable[i] !== null)
      .map((folder) => ({ name: folder, path: folder, directory: true, size: null }));
  }
  const folder = await openJudged(path, "folder", guard);
  try {
    const entries: FolderEntry[] = [];
    for (const entry of await namesIn(folder, path, guard)) {
      if (entry.name.startsWith(".")) continue;
      const found = await lookAt(folder, entry, guard);
      if (found !== null) entries.push({ name: entry.name, path: join(folder.path, entry.name), ...found });
    }
    return entries.sort((a, b) => Number(b.directory) - Number(a.directory) || a.name.localeCompare(b.name));
  } finally {
    await closeFd(folder.fd);
  }
}

async function namesIn(folder: LocatedFile, path: string, guard: ImportGuard): Promise<Dirent[]> {
  const names = await readdir(throughFd(folder), { withFileTypes: true });
  if (process.platform !== "linux") {
    // Read by its path: it has to be the same folder still.
    const again = await openJudged(folder.path, "folder", guard);
    await closeFd(again.fd);
    if (again.stats.ino !== folder.stats.ino || again.stats.dev !== folder.stats.dev) throw outsideFolders(path);
  }
  return names.slice(0, MOST_ENTRIES);
}

type Look = Pick<FolderEntry, "directory" | "size">;

/** Null: neither file nor folder, or not one that may be imported. Links are shown as what they lead to. */
async function lookAt(folder: LocatedFile, entry: Dirent, guard: ImportGuard): Promise<Look | null> {
  const path = join(throughFd(folder), entry.name);
  if (entry.isSymbolicLink()) {
    const found = (await judged(path, "folder", guard)) ?? (await judged(path, "file", guard));
    return found === null ? null : looked(found);
  }
  const stats = await lstat(path, { bigint: true }).catch(() => null);
  if (stats === null || !(stats.isDirectory() || stats.isFile())) return null;
  // Unopened: it is only shown, and judged again once somebody asks for it.
  const file = { fd: -1, path: join(folder.path, entry.name), stats };
  return guard[stats.isDirectory() ? "folder" : "file"](file).then(
    () => looked(file),
    () => null,
  );
}

async function judged(path: string, kind: "file" | "folder", guard: ImportGuard): Promise<LocatedFile | null> {
  const file = await openJudged(path, kind, guard).catch((error: unknown) => {
    if (error instanceof AppError) return null;
    throw error;
  });
  if (file !== null) await closeFd(file.fd);
  return file;
}

const looked = ({ stats }: Pick<LocatedFile, "stats">): Look => ({
  directory: stats.isDirectory(),
  size: stats.isFile() ? Number(stats.size) : null,
});
