/** System calls that Node does not offer, by FFI. Every caller has a way without them. */
import { createRequire } from "node:module";
import type Koffi from "koffi";

interface Native {
  /** New offset, or -1 when the kernel refused. */
  lseek(fd: number, offset: number, whence: number): number;
}

const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

let loaded: Native | null | undefined;

/** null where there is no koffi for this platform, or no such call in its C library. */
function native(): Native | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  // SEEK_DATA has other numbers elsewhere: only Linux was tried.
  if (process.platform !== "linux") return loaded;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    loaded = { lseek: koffi.load(null).func("int64_t lseek(int fd, int64_t offset, int whence)") };
  } catch {
    // A platform without the prebuilt library: files are then read whole.
  }
  return loaded;
}

/** Length of a block device in bytes, or null when it cannot be told. Moves the file's own position, which nobody uses. */
export function seekEnd(fd: number): number | null {
  const end = native()?.lseek(fd, 0, SEEK_END) ?? -1;
  return end < 0 ? null : end;
}

/** Whether the file system tells holes from data for this file. */
export function knowsHoles(fd: number, size: number): boolean {
  const calls = native();
  return calls !== null && size > 0 && calls.lseek(fd, 0, SEEK_HOLE) >= 0;
}

/** First allocated range at or after `from`, cut to `size`; null when only a hole is left. */
export function nextAllocated(fd: number, from: number, size: number): { offset: number; length: number } | null {
  const calls = native();
  if (calls === null) return from < size ? { offset: from, length: size - from } : null;
  const offset = calls.lseek(fd, from, SEEK_DATA);
  // ENXIO: no data after `from`.
  if (offset < 0 || offset >= size) return null;
  const end = calls.lseek(fd, offset, SEEK_HOLE);
  return { offset, length: (end < 0 ? size : Math.min(end, size)) - offset };
}
