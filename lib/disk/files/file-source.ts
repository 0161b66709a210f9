/** A file or block device on this machine, read only. */
import { constants, fstat, open, read, readFileSync, type Stats } from "node:fs";
import { AppError } from "#lib/errors.ts";
import type { ByteSource, HeldFile } from "../io.ts";
import { fileError } from "./file-error.ts";
import { knowsHoles, nextAllocated, seekEnd } from "./native.ts";
import { closeFd, type FileGuard, openLocated } from "./open-located.ts";

/** `io.short-read`: a file that ends before the bytes that were wanted. */
export function shortRead(name: string, size: number, offset: number, length: number): AppError {
  return new AppError(
    "unprocessable",
    "io.short-read",
    `${name} ends at byte ${size}; ${length} bytes were wanted at ${offset}.`,
    { details: { offset, size } },
  );
}

class FileSource implements ByteSource {
  readonly size: number;
  readonly path?: string;
  readonly allocated?: (signal?: AbortSignal) => AsyncIterable<{ offset: number; length: number }>;
  readonly #label: string;
  #fd: number;
  #busy = 0;
  #closing: Promise<void> | null = null;
  #idle: (() => void) | null = null;

  constructor(fd: number, size: number, label: string, kind: "file" | "unnamed" | "device") {
    this.#fd = fd;
    this.size = size;
    this.#label = label;
    if (kind === "file") this.path = label;
    if (kind !== "device" && knowsHoles(fd, size)) this.allocated = (signal) => this.#ranges(signal);
  }

  async *#ranges(signal: AbortSignal | undefined): AsyncIterable<{ offset: number; length: number }> {
    let from = 0;
    let steps = 0;
    while (from < this.size) {
      signal?.throwIfAborted();
      // A badly fragmented file has millions of ranges: others must get their turn, an abort among them.
      if (++steps % 1024 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      this.#requireOpen();
      const range = nextAllocated(this.#fd, from, this.size);
      if (range === null) return;
      yield range;
      from = range.offset + range.length;
    }
  }

  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#requireOpen();
      if (!Number.isSafeInteger(offset) || offset < 0 || offset + into.length > this.size) {
        throw this.#short(offset, into.length);
      }
      if (into.length === 0) return resolve();
      this.#busy++;
      const settle = (error: unknown) => {
        this.#busy--;
        if (this.#busy === 0) this.#idle?.();
        if (error === null) resolve();
        else reject(error);
      };
      let done = 0;
      const more = () =>
        read(this.#fd, into, done, into.length - done, offset + done, (error, count) => {
          if (error !== null) return settle(fileError(error, `Reading ${this.#label} at byte ${offset + done}`));
          // The file was cut while it was open.
          if (count === 0) return settle(this.#short(offset + done, into.length - done));
          done += count;
          if (done === into.length) return settle(null);
          if (signal?.aborted === true) return settle(signal.reason);
          more();
        });
      more();
    });
  }

  hold(): HeldFile {
    this.#requireOpen();
    this.#busy++;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      this.#busy--;
      if (this.#busy === 0) this.#idle?.();
    };
    return { fd: this.#fd, name: this.#label, release };
  }

  #requireOpen(): void {
    if (this.#closing !== null)
      throw new AppError("internal", "io.closed", `${this.#label} was read after it was closed.`);
  }

  #short(offset: number, length: number): AppError {
    return shortRead(this.#label, this.size, offset, length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    // A read in flight keeps the descriptor: its number could be another file's a moment later.
    this.#closing ??= (async () => {
      if (this.#busy > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
      await closeFd(this.#fd);
      this.#fd = -1;
    })();
    return this.#closing;
  }
}

function deviceSize(fd: number, stats: Stats): number | null {
  const end = seekEnd(fd);
  if (end !== null) return end;
  try {
    // Linux: dev_t packs major and minor; sysfs counts 512-byte sectors whatever the device's own are.
    const major = Math.floor(stats.rdev / 256) % 4096;
    const minor = (stats.rdev % 256) + Math.floor(stats.rdev / 1_048_576) * 256;
    return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, "utf8")) * 512;
  } catch {
    return null;
  }
}

/** A plain file that is open already, as it is now. The source owns the descriptor. */
export function sourceOfDescriptor(fd: number, size: number, label: string): ByteSource {
  return new FileSource(fd, size, label, "unnamed");
}

export interface OpenFileOptions {
  /** Refuse links at the last component and anything that is not a plain file: for names that an image gave. */
  readonly plainOnly?: boolean;
  /** Asked of the open file, before anything is read of it: whether it lies where it may. */
  readonly guard?: FileGuard;
}

/**
 * Opens a file or block device for reading; never for writing, never following a FIFO or a terminal.
 * Throws AppError `io.not-found`, `io.denied`, `io.not-a-file`, `io.failed`.
 */
export async function openFileSource(path: string, options: OpenFileOptions = {}): Promise<ByteSource> {
  if (path.includes("\0")) throw new AppError("invalid", "io.not-found", "A file name cannot hold a NUL character.");
  const doing = `Opening ${path}`;
  // O_NONBLOCK: opening a FIFO would else wait for its writer for ever. It changes nothing for files and disks.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (options.plainOnly === true ? constants.O_NOFOLLOW : 0);
  const fd = await openFd(path, flags, options.guard).catch((error: unknown) => {
    throw fileError(error, doing);
  });
  try {
    const stats = await new Promise<Stats>((resolve, reject) =>
      fstat(fd, (error, found) => (error === null ? resolve(found) : reject(fileError(error, doing)))),
    );
    const device = stats.isBlockDevice() && options.plainOnly !== true;
    const size = stats.isFile() ? stats.size : device ? deviceSize(fd, stats) : null;
    if (size === null || !Number.isSafeInteger(size)) {
      throw new AppError("invalid", "io.not-a-file", `${path} is neither a file nor a disk.`, {
        hint: stats.isFIFO() ? "Send it to standard input, and name - as the source." : "Name the image file itself.",
      });
    }
    return new FileSource(fd, size, path, stats.isFile() ? "file" : "device");
  } catch (error) {
    await closeFd(fd);
    throw error;
  }
}

async function openFd(path: string, flags: number, guard: FileGuard | undefined): Promise<number> {
  if (guard === undefined)
    return new Promise((resolve, reject) =>
      open(path, flags, (error, opened) => (error === null ? resolve(opened) : reject(error))),
    );
  const file = await openLocated(path, flags);
  try {
    await guard(file);
    return file.fd;
  } catch (error) {
    await closeFd(file.fd);
    throw error;
  }
}
