/** openat, component by component: no link on the way is followed, whatever somebody puts there meanwhile. */
import { closeSync, constants, openSync } from "node:fs";
import { createRequire } from "node:module";
import { sep } from "node:path";
import type Koffi from "koffi";

interface PosixCalls {
  openat(folder: number, name: string, flags: number): number;
  errno(): number;
  readonly nameOf: ReadonlyMap<number, string>;
}

/**
 * Flags that Node's constants leave out, by sys/fcntl.h of macOS and asm-generic/fcntl.h of Linux. `pass` opens a folder
 * to go through it, which needs no right to list it: O_SEARCH and O_PATH.
 */
const FLAGS: Partial<Record<NodeJS.Platform, { readonly closeOnExec: number; readonly pass: number }>> = {
  darwin: { closeOnExec: 0x100_0000, pass: 0x4000_0000 },
  linux: { closeOnExec: 0o2_000_000, pass: 0o10_000_000 },
};

let loaded: PosixCalls | null | undefined;

function calls(): PosixCalls | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  if (FLAGS[process.platform] === undefined) return loaded;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const openat = koffi.load(null).func("int openat(int folder, const char *name, int flags)");
    const nameOf = new Map(Object.entries(koffi.os.errno).map(([name, code]) => [code as number, name]));
    loaded = { openat: (folder, name, flags) => openat(folder, name, flags) as number, errno: koffi.errno, nameOf };
  } catch {
    // A platform without the prebuilt library.
  }
  return loaded;
}

/** `real`: absolute and normal. Null where there is no openat. Throws with `code` ELOOP where a link has come into the path. */
export function openWithoutLinks(real: string, flags: number): number | null {
  const posix = calls();
  const own = FLAGS[process.platform];
  if (posix === null || own === undefined) return null;
  const names = real.split(sep).filter((name) => name !== "");
  let folder = openSync(sep, constants.O_RDONLY | constants.O_DIRECTORY);
  for (const [i, name] of names.entries()) {
    const last = i === names.length - 1;
    const how = last ? flags : own.pass | constants.O_DIRECTORY;
    const next = posix.openat(folder, name, how | constants.O_NOFOLLOW | own.closeOnExec);
    const code = next < 0 ? (posix.nameOf.get(posix.errno()) ?? "EIO") : "";
    closeSync(folder);
    if (next < 0) {
      // Of a link, O_DIRECTORY says only that it is no folder.
      const said = code === "ENOTDIR" && !last ? "ELOOP" : code;
      throw Object.assign(new Error(`${said}: ${real}`), { code: said });
    }
    folder = next;
  }
  return folder;
}
