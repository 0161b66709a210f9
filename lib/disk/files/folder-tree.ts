/** The files below a folder of this machine, by their paths there: found once, opened when they are asked for, no link followed. */
import { constants, type Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "#lib/errors.ts";
import type { ByteSource, FileTree } from "../io.ts";
import { fileError, isCode } from "./file-error.ts";
import { openFileSource } from "./file-source.ts";
import { closeFd, type FileGuard, type LocatedFile, openLocated } from "./open-located.ts";

/** How far below the folder its files are looked for: exports and machine folders have two or three levels. */
export const DEEPEST_FOLDER = 4;
/** Files and folders together. */
const MOST_ENTRIES = 10_000;
/** As for an image and the files beside it. */
const MOST_OPEN = 2048;

export interface FolderTreeOptions {
  /** Asked of each file once it is open. */
  readonly guard?: FileGuard;
  /** Asked of each folder before it is listed. One below the first that it refuses is left out. */
  readonly folderGuard?: FileGuard;
  /** Which folders of the first level are looked into. Default: all. */
  readonly within?: (name: string) => boolean;
}

export interface FolderTree extends FileTree {
  /** Absolute, without links. */
  readonly path: string;
}

/** Flags that Windows lacks are 0 there. */
const FOLDER = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0);
const NO_LINK = constants.O_NOFOLLOW ?? 0;

/** A link at `path` itself is followed. Throws `image.too-many-files`, `io.*`, and what the guards throw. */
export async function openFolderTree(path: string, options: FolderTreeOptions = {}): Promise<FolderTree> {
  const { root, names } = await walk(path, options).catch((error: unknown) => {
    throw fileError(error, `Listing ${path}`);
  });
  const known = new Set(names);
  const opened = new Map<string, Promise<ByteSource | null>>();
  return {
    path: root,
    names,
    open(name) {
      if (!known.has(name)) return Promise.resolve(null);
      const before = opened.get(name);
      if (before !== undefined) return before;
      if (opened.size >= MOST_OPEN) {
        const text = `The machine in ${path} has more than ${MOST_OPEN} files.`;
        return Promise.reject(new AppError("unprocessable", "image.too-many-files", text));
      }
      const file = openBelow(join(root, name), options.guard);
      opened.set(name, file);
      file.catch(() => opened.delete(name));
      return file;
    },
    async [Symbol.asyncDispose]() {
      for (const file of await Promise.allSettled(opened.values()))
        if (file.status === "fulfilled") await file.value?.[Symbol.asyncDispose]();
    },
  };
}

/** Null: it is gone, or no plain file of this place any more. */
async function openBelow(path: string, guard: FileGuard | undefined): Promise<ByteSource | null> {
  const here: FileGuard = async (file) => {
    // Another path: a folder on the way was replaced by a link since the names were read.
    if (file.path !== path || !file.stats.isFile())
      throw Object.assign(new Error(`ELOOP: ${path} changed`), { code: "ELOOP" });
    await guard?.(file);
  };
  try {
    return await openFileSource(path, { plainOnly: true, guard: here });
  } catch (error) {
    if (error instanceof AppError && (error.code === "io.not-found" || error.code === "io.not-a-file")) return null;
    throw error;
  }
}

async function walk(path: string, options: FolderTreeOptions): Promise<{ root: string; names: string[] }> {
  const names: string[] = [];
  let seen = 0;
  let root = "";
  const waiting: { readonly below: string; readonly depth: number }[] = [{ below: "", depth: 0 }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { below, depth } = next;
    const folder = depth === 0 ? await openLocated(path, FOLDER) : await openFolderBelow(join(root, below));
    if (folder === null) continue;
    try {
      if (depth === 0) root = folder.path;
      const allowed = await admitted(folder, depth === 0, options.folderGuard);
      for (const entry of allowed ? await entriesIn(folder, MOST_ENTRIES - seen + 1) : []) {
        if (++seen > MOST_ENTRIES) throw tooMany(path);
        // No name of an image, and read as a separator elsewhere.
        if (entry.name.includes("\\")) continue;
        const name = below === "" ? entry.name : `${below}/${entry.name}`;
        if (entry.isFile()) names.push(name);
        else if (entry.isDirectory() && depth < DEEPEST_FOLDER && (depth > 0 || (options.within?.(entry.name) ?? true)))
          waiting.push({ below: name, depth: depth + 1 });
      }
    } finally {
      await closeFd(folder.fd);
    }
  }
  return { root, names: names.sort() };
}

/** Null: gone, not to be read, or replaced by a link. What was needed from it is missed later, by its name. */
async function openFolderBelow(path: string): Promise<LocatedFile | null> {
  try {
    const folder = await openLocated(path, FOLDER | NO_LINK);
    if (folder.path === path) return folder;
    await closeFd(folder.fd);
    return null;
  } catch (error) {
    if (isCode(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM")) return null;
    throw error;
  }
}

async function admitted(folder: LocatedFile, first: boolean, guard: FileGuard | undefined): Promise<boolean> {
  try {
    await guard?.(folder);
    return true;
  } catch (error) {
    if (first || !(error instanceof AppError)) throw error;
    return false;
  }
}

/** The open folder under a path of its own, whatever its name leads to by now. Linux alone has one. */
export const throughFd = ({ fd, path }: LocatedFile): string =>
  process.platform === "linux" ? `/proc/self/fd/${fd}` : path;

async function entriesIn(folder: LocatedFile, most: number): Promise<Dirent[]> {
  const entries: Dirent[] = [];
  for await (const entry of await opendir(throughFd(folder))) {
    entries.push(entry);
    if (entries.length >= most) break;
  }
  if (process.platform === "linux") return entries;
  // Read by its path: it has to be the same folder still.
  const again = await openFolderBelow(folder.path);
  if (again === null) return [];
  await closeFd(again.fd);
  const same = again.stats.ino === folder.stats.ino && again.stats.dev === folder.stats.dev;
  return same ? entries : [];
}

function tooMany(path: string): AppError {
  return new AppError(
    "unprocessable",
    "image.too-many-files",
    `${path} holds more than ${MOST_ENTRIES} files and folders.`,
    { hint: "Name the folder of one machine." },
  );
}
