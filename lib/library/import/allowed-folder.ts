/** Which folders an administrator may open for import, and what is to be said of one that is allowed. */
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "#lib/errors.ts";
import { findOwnFiles, isInside } from "./own-files.ts";

/** Of the system: what lies there is no image, and much of it is secret or a device. */
const SYSTEM = ["/proc", "/sys", "/dev", "/etc", "/run"];
/** Where desktop systems mount what is plugged in. */
const REMOVABLE = "/run/media";

const trueOrSame = (path: string): Promise<string> => realpath(path).catch(() => path);

/** True path; of one that is not there yet the nearest folder above it that is, with the rest behind. */
async function whereItWouldBe(path: string): Promise<string> {
  const full = resolve(path);
  const real = await realpath(full).catch(() => null);
  if (real !== null || full === dirname(full)) return real ?? full;
  return join(await whereItWouldBe(dirname(full)), basename(full));
}

/** Why the folder can never be imported from, in words; null: it can. */
export async function whyNeverImported(folder: string, dataDir: string): Promise<string | null> {
  const real = await whereItWouldBe(folder);
  if (real === dirname(real)) return "it is the whole file system";
  for (const system of SYSTEM) {
    const root = await trueOrSame(system);
    const removable = real !== REMOVABLE && isInside(real, REMOVABLE);
    if (isInside(real, root) && !removable) return `it belongs to ${system}, which holds the system's own files`;
  }
  const own = await findOwnFiles(dataDir);
  if (isInside(real, own.folder)) return "it belongs to Supravisor's data folder";
  if (isInside(own.folder, real)) return "Supravisor's data folder, with its keys, lies in it";
  const stats = await stat(real, { bigint: true }).catch(() => null);
  // The same folder by another path: a mount, or letters that the file system does not tell apart.
  if (stats !== null && (await own.owns({ fd: -1, path: real, stats })))
    return "it belongs to Supravisor's data folder";
  return null;
}

/** Throws `settings.bad-import-folder`. */
export async function requireAllowable(folder: string, dataDir: string): Promise<void> {
  const why = await whyNeverImported(folder, dataDir);
  if (why === null) return;
  throw new AppError("unprocessable", "settings.bad-import-folder", `${folder} cannot be imported from: ${why}.`, {
    hint: "Allow a folder that holds nothing but images.",
    details: { folder },
  });
}

/** What an administrator should know of a folder that is allowed; null: all is well. */
export async function noticeOf(folder: string, dataDir: string): Promise<string | null> {
  const why = await whyNeverImported(folder, dataDir);
  if (why !== null) return `Nothing is imported from ${folder}: ${why}.`;
  const info = await stat(folder).catch((error: NodeJS.ErrnoException) => error);
  if (info instanceof Error) {
    return info.code === "ENOENT" || info.code === "ENOTDIR"
      ? `${folder} does not exist on the server yet.`
      : `${folder} cannot be reached by the account that runs Supravisor.`;
  }
  return info.isDirectory() ? null : `${folder} is not a folder on the server.`;
}
