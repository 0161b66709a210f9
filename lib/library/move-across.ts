/** A file from one file system to another, in an order that a power cut at any point leaves one whole copy behind. */
import { constants } from "node:fs";
import { copyFile, open, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileError } from "#lib/disk/files/file-error.ts";
import { OWN_FILE } from "./own-modes.ts";
import { openPlainFile } from "./plain-file.ts";
import { fullOr } from "./space.ts";

/**
 * The copy is on the medium before it gets its name, and its name is before the source goes. A draft of an attempt that was
 * broken off is written over. Throws `library.full`, `io.*`; the source is there then.
 */
export async function moveAcross(source: string, target: string): Promise<void> {
  // Hidden: the files of a version are those that are not.
  const draft = join(dirname(target), `.${basename(target)}.part`);
  try {
    await rm(draft, { force: true });
    await copyFile(source, draft, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await syncFile(draft);
    await rename(draft, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw fullOr(error) ?? fileError(error, `Moving a file to ${target}`, "all");
  }
  await unlink(source);
}

export async function syncFile(path: string): Promise<void> {
  await using file = await openPlainFile(path);
  if (process.platform !== "win32") await file.chmod(OWN_FILE);
  await file.sync();
}

export async function syncFolder(path: string): Promise<void> {
  // Folders cannot be opened on Windows, and their entries are written through.
  if (process.platform === "win32") return;
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}
