/** Folders of the server that an administrator opened for import: nothing outside them can be named. */
import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, sep } from "node:path";
import type { FolderEntry } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";

const MOST_ENTRIES = 5000;

function outside(path: string): AppError {
  return new AppError("forbidden", "import.outside-folders", `${path} is not in a folder that may be imported from.`, {
    hint: "An administrator allows folders in the settings.",
  });
}

/** The true path, links followed, when it lies in an allowed folder. One answer for absent and forbidden: no probing. */
async function confined(allowed: readonly string[], path: string): Promise<string> {
  const real = path.includes("\0") ? null : await realpath(path).catch(() => null);
  if (real === null) throw outside(path);
  for (const folder of allowed) {
    const root = await realpath(folder).catch(() => null);
    if (root !== null && (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep))) return real;
  }
  throw outside(path);
}

/** True path of a file that may be imported. Throws `import.outside-folders`, `import.not-a-file`. */
export async function requireImportable(allowed: readonly string[], path: string): Promise<string> {
  const real = await confined(allowed, path);
  if (!(await stat(real)).isFile()) {
    throw new AppError("invalid", "import.not-a-file", `${path} is not a file.`, { hint: "Choose a file inside it." });
  }
  return real;
}

/** The allowed folders themselves for an empty path, else what lies in that folder: folders first, by name. */
export async function listImportFolder(allowed: readonly string[], path: string): Promise<FolderEntry[]> {
  if (path === "") {
    return allowed.map((folder) => ({ name: folder, path: folder, directory: true, size: null }));
  }
  const real = await confined(allowed, path);
  if (!(await stat(real)).isDirectory())
    throw new AppError("invalid", "import.not-a-folder", `${path} is not a folder.`);
  let names: Dirent[];
  try {
    names = await readdir(real, { withFileTypes: true });
  } catch (cause) {
    throw new AppError(
      "forbidden",
      "import.unreadable",
      `${path} cannot be read by the account that runs Supravisor.`,
      { cause },
    );
  }
  const entries: FolderEntry[] = [];
  for (const entry of names.slice(0, MOST_ENTRIES)) {
    if (entry.name.startsWith(".")) continue;
    const full = join(real, entry.name);
    // Links are shown as what they lead to, as long as that is inside.
    const target = entry.isSymbolicLink() ? await confined(allowed, full).catch(() => null) : full;
    const info = target === null ? null : await stat(target).catch(() => null);
    if (info === null || !(info.isDirectory() || info.isFile())) continue;
    entries.push({
      name: basename(full),
      path: full,
      directory: info.isDirectory(),
      size: info.isFile() ? info.size : null,
    });
  }
  return entries.sort((a, b) => Number(b.directory) - Number(a.directory) || a.name.localeCompare(b.name));
}
