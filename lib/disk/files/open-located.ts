/** Opens a file and tells where the open file lies: a path that was looked at before may lead elsewhere by the time it is opened. */
import { type BigIntStats, close, constants, fstat, open, readlink } from "node:fs";
import { lstat, realpath } from "node:fs/promises";
import { openWithoutLinks } from "./open-without-links.ts";

export interface LocatedFile {
  readonly fd: number;
  /** Absolute, without links: where the open file lies. */
  readonly path: string;
  readonly stats: BigIntStats;
}

/** Throws for a file that may not be read; asked with the file open, before its first byte is read. */
export type FileGuard = (file: LocatedFile) => Promise<void>;

/** Added to every flag: opening a FIFO would else wait for its writer, and a terminal would become ours. */
const ALWAYS = constants.O_NONBLOCK | constants.O_NOCTTY;

const later = <T>(run: (done: (error: Error | null, value?: T) => void) => void): Promise<T> =>
  new Promise((resolve, reject) => run((error, value) => (error === null ? resolve(value as T) : reject(error))));

export const closeFd = (fd: number): Promise<void> => new Promise((resolve) => close(fd, () => resolve()));

export const statFd = (fd: number): Promise<BigIntStats> =>
  later((done) => fstat(fd, { bigint: true }, (error, stats) => done(error, stats)));

/** Where the kernel itself names what is open, as Linux does; else null. */
const kernelPath = (fd: number): Promise<string | null> =>
  new Promise((resolve) => readlink(`/proc/self/fd/${fd}`, (error, path) => resolve(error === null ? path : null)));

/** The caller closes `fd`. Throws what the operating system says (ENOENT, ELOOP, EACCES, …). */
export async function openLocated(path: string, flags: number): Promise<LocatedFile> {
  const fd = await later<number>((done) => open(path, flags | ALWAYS, done));
  try {
    const stats = await statFd(fd);
    const named = process.platform === "linux" ? await kernelPath(fd) : null;
    if (named !== null) return { fd, path: named, stats };
  } catch (error) {
    await closeFd(fd);
    throw error;
  }
  await closeFd(fd);
  return openByWalk(path, flags);
}

/** Where the kernel does not tell: the path is resolved first, and walked without a link then. */
export async function openByWalk(path: string, flags: number): Promise<LocatedFile> {
  const noFollow = (flags & constants.O_NOFOLLOW) !== 0;
  if (noFollow && (await lstat(path)).isSymbolicLink())
    throw Object.assign(new Error(`ELOOP: ${path} is a link`), { code: "ELOOP" });
  const real = await realpath(path);
  const fd = openWithoutLinks(real, flags | ALWAYS) ?? (await openUnchanged(real, flags));
  try {
    return { fd, path: real, stats: await statFd(fd) };
  } catch (error) {
    await closeFd(fd);
    throw error;
  }
}

/** Without openat (Windows, where making a link takes a right of its own): the path names the open file before and after. */
async function openUnchanged(real: string, flags: number): Promise<number> {
  const before = await lstat(real, { bigint: true });
  const fd = await later<number>((done) => open(real, flags | ALWAYS, done));
  try {
    const opened = await statFd(fd);
    const after = await lstat(real, { bigint: true });
    const same = [before, after].every(({ dev, ino }) => dev === opened.dev && ino === opened.ino);
    if (same && (await realpath(real)) === real) return fd;
  } catch (error) {
    await closeFd(fd);
    throw error;
  }
  await closeFd(fd);
  throw Object.assign(new Error(`ELOOP: ${real} changed while it was opened`), { code: "ELOOP" });
}
