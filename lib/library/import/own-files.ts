/** Supravisor's own files, by what they are and not by name: keys and database must not come in as images. */
import type { BigIntStats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import type { LocatedFile } from "#lib/disk/files/open-located.ts";

type Identity = Pick<BigIntStats, "dev" | "ino">;
const idOf = ({ dev, ino }: Identity): string => `${dev}:${ino}`;

const idAt = (path: string): Promise<string | null> => stat(path, { bigint: true }).then(idOf, () => null);

export const isInside = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

export interface OwnFiles {
  /** The data folder's true path. */
  readonly folder: string;
  /** Whether what is open belongs to the data folder: lies in it, in a mount of it elsewhere, or is one of its files under another name. */
  owns(file: LocatedFile): Promise<boolean>;
}

/** As the data folder is now. */
export async function findOwnFiles(dataDir: string): Promise<OwnFiles> {
  const folder = await realpath(dataDir).catch(() => dataDir);
  const names = await readdir(folder).catch(() => []);
  // The data folder, its folders and its keys: a mount or a link gives another path to the same thing.
  const own = new Set<string>();
  for (const path of [folder, ...names.map((name) => join(folder, name))]) {
    const id = await idAt(path);
    if (id !== null) own.add(id);
  }
  return {
    folder,
    async owns({ path, stats }) {
      if (isInside(path, folder) || own.has(idOf(stats))) return true;
      for (let at = dirname(path); ; at = dirname(at)) {
        const id = await idAt(at);
        if (id !== null && own.has(id)) return true;
        if (at === dirname(at)) break;
      }
      return stats.nlink > 1n && (await databaseHas(folder, stats));
    },
  };
}

/** A thousand files: looked through only for a file that has more than one name. */
async function databaseHas(folder: string, wanted: Identity): Promise<boolean> {
  const root = join(folder, "db");
  for (const name of await readdir(root, { recursive: true }).catch(() => []))
    if ((await idAt(join(root, name))) === idOf(wanted)) return true;
  return false;
}
