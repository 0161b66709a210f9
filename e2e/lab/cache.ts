/** Where things built or downloaded for tests are kept, outside the repository. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Path of the folder of that name in the lab's cache; made when missing. `SUPRAVISOR_LAB_CACHE` moves the cache. */
export function labCache(name: string): string {
  const { SUPRAVISOR_LAB_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = SUPRAVISOR_LAB_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "supravisor-lab");
  const folder = join(cache, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
