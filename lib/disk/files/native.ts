/** System calls that Node does not offer, by FFI. Every caller has a way without them. */
import { createRequire } from "node:module";
import type Koffi from "koffi";

interface Native {
  /** New offset, or -1 when the kernel refused. */
  lseek(fd: number, offset: number, whence: number): number;
  /** 0, or -1 when the kernel refused. On a thread of the pool. */
  readonly ioctl: Later<[fd: number, request: number, argument: Buffer]>;
  readonly fallocate: Later<[fd: number, mode: number, offset: number, length: number]>;
}

type Later<Args extends unknown[]> = (...args: [...Args, done: (error: unknown, answer: number) => void]) => void;

const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** _IOW(0x94, 13, struct file_clone_range): linux/fs.h. */
const FICLONERANGE = 0x4020_940d;

let loaded: Native | null | undefined;

/** null where there is no koffi for this platform, or no such call in its C library. */
function native(): Native | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  // SEEK_DATA has other numbers elsewhere: only Linux was tried.
  if (process.platform !== "linux") return loaded;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const c = koffi.load(null);
    loaded = {
      lseek: c.func("int64_t lseek(int fd, int64_t offset, int whence)"),
      ioctl: c.func("int ioctl(int fd, uint64_t request, void *argument)").async,
      fallocate: c.func("int fallocate(int fd, int mode, int64_t offset, int64_t length)").async,
    };
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

/**
 * Makes `length` bytes of one file those of another, sharing them on the medium until one of the two is written. False
 * where the file system cannot: not on it at all, or not at offsets that are no whole blocks of it.
 */
export function cloneRange(from: number, at: number, length: number, to: number, toAt: number): Promise<boolean> {
  const calls = native();
  if (calls === null) return Promise.resolve(false);
  const range = Buffer.alloc(32);
  range.writeBigInt64LE(BigInt(from), 0);
  range.writeBigUInt64LE(BigInt(at), 8);
  range.writeBigUInt64LE(BigInt(length), 16);
  range.writeBigUInt64LE(BigInt(toAt), 24);
  return new Promise((resolve) =>
    calls.ioctl(to, FICLONERANGE, range, (error, answer) => resolve(error === null && answer === 0)),
  );
}

/** Sets `length` bytes aside for a file, from its start. False where the file system cannot, or has not so many. */
export function allocateAhead(fd: number, length: number): Promise<boolean> {
  const calls = native();
  if (calls === null || length === 0) return Promise.resolve(length === 0);
  return new Promise((resolve) =>
    calls.fallocate(fd, 0, 0, length, (error, answer) => resolve(error === null && answer === 0)),
  );
}
