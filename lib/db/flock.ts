/** flock(2), which Node does not offer: a lock that holds between containers on one folder, and dies with its process. */
import { createRequire } from "node:module";
import type Koffi from "koffi";

/** LOCK_EX and LOCK_NB. */
const EXCLUSIVE_AT_ONCE = 2 + 4;

/** "unknown": no such call here, or a file system without locks. */
export function tryLockFile(fd: number): "held" | "taken" | "unknown" {
  if (process.platform !== "linux" && process.platform !== "darwin") return "unknown";
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const flock = koffi.load(null).func("int flock(int fd, int operation)") as (
      fd: number,
      operation: number,
    ) => number;
    if (flock(fd, EXCLUSIVE_AT_ONCE) === 0) return "held";
    return koffi.errno() === koffi.os.errno["EWOULDBLOCK"] ? "taken" : "unknown";
  } catch {
    return "unknown";
  }
}
