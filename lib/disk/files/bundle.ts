/** Disks that are folders, as Parallels keeps them: the file in it that stands for the whole. */
import { stat } from "node:fs/promises";
import { join } from "node:path";

const DESCRIPTOR = "DiskDescriptor.xml";

/** `path` itself, unless it is a folder with the descriptor of a disk in it. */
export async function mainFileOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isDirectory()) return path;
  const inside = join(path, DESCRIPTOR);
  return (await stat(inside).catch(() => null)) === null ? path : inside;
}
