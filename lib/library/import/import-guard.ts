/** What may come in from the folders that an administrator opened, decided by the open file. */
import { type BigIntStats, constants } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileError } from "#lib/disk/files/file-error.ts";
import { closeFd, type FileGuard, type LocatedFile, openLocated } from "#lib/disk/files/open-located.ts";
import { AppError } from "#lib/errors.ts";
import { whyNeverImported } from "./allowed-folder.ts";
import { findOwnFiles, isInside } from "./own-files.ts";

/** Plain data: it goes to the thread that opens the files. */
export interface ImportPlace {
  readonly folders: readonly string[];
  /** Absolute. */
  readonly dataDir: string;
}

/** One answer for absent and forbidden: nobody finds out what there is elsewhere. */
export function outsideFolders(path: string): AppError {
  return new AppError("forbidden", "import.outside-folders", `${path} is not in a folder that may be imported from.`, {
    hint: "An administrator allows folders in the settings.",
  });
}

export interface ImportGuard {
  /** For files, as they are opened. Throws `import.outside-folders`, `import.not-a-file`, `import.hard-linked`. */
  readonly file: FileGuard;
  /** For folders. Throws `import.outside-folders`, `import.not-a-folder`. */
  readonly folder: FileGuard;
  /** For words alone: whether a path leads into an allowed folder now, so that its trouble may be told. */
  covers(path: string): Promise<boolean>;
}

export async function importGuard({ folders, dataDir }: ImportPlace): Promise<ImportGuard> {
  const own = await findOwnFiles(dataDir);
  const roots: string[] = [];
  for (const folder of folders) {
    const root = await realpath(folder).catch(() => null);
    // A folder that was fine when it was allowed may have become another's by a link or a mount.
    if (root !== null && (await whyNeverImported(root, dataDir)) === null) roots.push(root);
  }
  const inside = (path: string): boolean => roots.some((root) => isInside(path, root));
  const confine = async (file: LocatedFile): Promise<void> => {
    if (!inside(file.path) || (await own.owns(file))) throw outsideFolders(file.path);
  };
  return {
    async covers(path) {
      // A file that is gone is told of as well, if its folder is one of them.
      const real = (await realpath(path).catch(() => null)) ?? (await realpath(dirname(path)).catch(() => null));
      return real !== null && inside(real) && !isInside(real, own.folder);
    },
    async file(file) {
      await confine(file);
      if (!file.stats.isFile()) {
        throw new AppError("invalid", "import.not-a-file", `${file.path} is not a file.`, {
          hint: "Choose a file inside it.",
        });
      }
      if (file.stats.nlink > 1n) await refuseBorrowedName(file);
    },
    async folder(file) {
      await confine(file);
      if (!file.stats.isDirectory())
        throw new AppError("invalid", "import.not-a-folder", `${file.path} is not a folder.`);
    },
  };
}

/**
 * A hard link in a folder says nothing of who may read the file: on systems without protected_hardlinks anybody can give a
 * second name to a file of another. It is taken when everybody may read it anyway, or when it is the folder's owner's own and
 * nobody else can put names there.
 */
async function refuseBorrowedName({ path, stats }: LocatedFile): Promise<void> {
  if ((stats.mode & BigInt(constants.S_IROTH)) !== 0n) return;
  const folder: BigIntStats | null = await stat(dirname(path), { bigint: true }).catch(() => null);
  const shared = BigInt(constants.S_IWGRP | constants.S_IWOTH);
  if (folder !== null && folder.uid === stats.uid && (folder.mode & shared) === 0n) return;
  throw new AppError(
    "forbidden",
    "import.hard-linked",
    `${path} has other names elsewhere (hard links), and not everybody may read it.`,
    { hint: "Import a copy of it, or let everybody read it." },
  );
}

/** Opens a file or folder by a path that somebody gave, links followed, and has it judged. The caller closes it. */
export async function openJudged(
  path: string,
  kind: "file" | "folder" | "either",
  guard: ImportGuard,
): Promise<LocatedFile> {
  if (path.includes("\0")) throw outsideFolders(path.replaceAll("\0", "\ufffd"));
  const flags = constants.O_RDONLY | (kind === "folder" ? (constants.O_DIRECTORY ?? 0) : 0);
  try {
    const file = await openLocated(path, flags);
    try {
      await guard[kind !== "either" ? kind : file.stats.isDirectory() ? "folder" : "file"](file);
      return file;
    } catch (error) {
      await closeFd(file.fd);
      throw error;
    }
  } catch (error) {
    throw await inWords(error, path, guard);
  }
}

/** Of what lies outside nothing is told but that; what is not there is not told apart from it. */
export async function inWords(error: unknown, path: string, guard: ImportGuard): Promise<unknown> {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "import.outside-folders" || GONE.has(code)) return outsideFolders(path);
  if (code.startsWith("import.")) return error;
  if (!(await guard.covers(path))) return outsideFolders(path);
  if (DENIED.has(code)) {
    return new AppError(
      "forbidden",
      "import.unreadable",
      `${path} cannot be read by the account that runs Supravisor.`,
      { hint: "Give that account the right to read it.", cause: error },
    );
  }
  if (code === "ENOTDIR") return new AppError("invalid", "import.not-a-folder", `${path} is not a folder.`);
  if (NO_FILE.has(code))
    return new AppError("invalid", "import.not-a-file", `${path} is not a file.`, { cause: error });
  return fileError(error, `Opening ${path}`);
}

const GONE = new Set(["ENOENT", "io.not-found"]);
const DENIED = new Set(["EACCES", "EPERM", "io.denied"]);
const NO_FILE = new Set(["ENXIO", "io.not-a-file"]);
