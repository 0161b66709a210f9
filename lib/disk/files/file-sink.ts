/** A file being written beside its final name; it takes the name only when it is whole. */
import { close, constants, fsync, ftruncate, open, write } from "node:fs";
import { link, open as openFolder, rename, stat, unlink } from "node:fs/promises";
import { dirname, resolve as resolvePath } from "node:path";
import { AppError } from "#lib/errors.ts";
import type { ByteSink, HeldFile } from "../io.ts";
import type { Preallocation } from "../preallocation.ts";
import { fileError, isCode } from "./file-error.ts";
import { allocateAhead } from "./native.ts";
import { tempPath } from "./temp-name.ts";

export interface FileSinkOptions {
  /** Replace a file of the final name, at commit. Default: `io.exists`. */
  readonly overwrite?: boolean;
  /** Wait until the bytes are on the medium before the file gets its name. Default true. */
  readonly durable?: boolean;
  /** Permissions of the file, before the umask takes some away. Default 0640. */
  readonly mode?: number;
}

/** Written at once where space is taken by zeros. */
const ZEROS_BYTES = 1_048_576;

const call = (run: (done: (error: Error | null) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => run((error) => (error === null ? resolve() : reject(error))));

class FileSink implements ByteSink {
  readonly seekable = true;
  readonly #fd: number;
  readonly #temp: string;
  readonly #final: string;
  readonly #options: FileSinkOptions;
  #closed = false;
  #committed = false;
  #busy = 0;
  #idle: (() => void) | null = null;

  constructor(fd: number, temp: string, final: string, options: FileSinkOptions) {
    this.#fd = fd;
    this.#temp = temp;
    this.#final = final;
    this.#options = options;
  }

  /** Bytes that are never written stay holes. */
  write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#requireOpen();
      if (bytes.length === 0) return resolve();
      this.#busy++;
      const settle = (error: unknown) => {
        this.#busy--;
        if (this.#busy === 0) this.#idle?.();
        if (error === null) resolve();
        else reject(error);
      };
      let done = 0;
      const more = () =>
        write(this.#fd, bytes, done, bytes.length - done, offset + done, (error, count) => {
          if (error !== null) return settle(fileError(error, `Writing ${this.#final} at byte ${offset + done}`));
          done += count;
          if (done === bytes.length) return settle(null);
          if (signal?.aborted === true) return settle(signal.reason);
          more();
        });
      more();
    });
  }

  async allocate({ how, length }: Preallocation, signal?: AbortSignal): Promise<void> {
    this.#requireOpen();
    if (how === "falloc" && (await allocateAhead(this.#fd, length))) return;
    // Zeros take the space wherever no promise can be had, and say what is wrong when there is too little.
    const zeros = Buffer.alloc(Math.min(length, ZEROS_BYTES));
    for (let at = 0; at < length; at += zeros.length) {
      await this.write(at, zeros.subarray(0, Math.min(zeros.length, length - at)), signal);
    }
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
    return { fd: this.#fd, name: this.#final, release };
  }

  async commit(length: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#requireOpen();
    const durable = this.#options.durable !== false;
    try {
      await call((done) => ftruncate(this.#fd, length, done));
      if (durable) await call((done) => fsync(this.#fd, done));
      signal?.throwIfAborted();
      await takeName(this.#temp, this.#final, this.#options.overwrite === true);
      this.#committed = true;
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw fileError(error, `Finishing ${this.#final}`);
    }
    await this.#close();
    if (durable) await syncFolder(dirname(this.#final));
  }

  #requireOpen(): void {
    if (this.#closed) throw new AppError("internal", "io.closed", `${this.#final} was written after it was closed.`);
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#busy > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await new Promise<void>((resolve) => close(this.#fd, () => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    if (this.#committed) return;
    await unlink(this.#temp).catch((error: unknown) => {
      if (!isCode(error, "ENOENT")) throw fileError(error, `Removing ${this.#temp}`);
    });
  }
}

/** Throws `io.exists` unless the name may be taken from another file. */
export async function takeName(temp: string, final: string, overwrite: boolean): Promise<void> {
  if (overwrite) return rename(temp, final);
  try {
    // A link fails when the name is taken, which a rename does not.
    await link(temp, final);
    await unlink(temp);
  } catch (error) {
    if (!isCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
    // File systems without links (FAT, some network ones).
    await refuseTarget(final, false);
    await rename(temp, final);
  }
}

export async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await openFolder(folder, "r");
    await handle.sync();
  } catch {
    // Not every file system can sync a folder; the file itself is safe by then.
  }
}

/** Throws `io.exists` for what may not be replaced, `io.not-a-file` for what never is: a folder, a device, a pipe. */
export async function refuseTarget(path: string, overwrite: boolean): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there === null) return;
  if (!there.isFile()) {
    throw new AppError(
      "invalid",
      "io.not-a-file",
      `${path} is ${there.isDirectory() ? "a folder" : "no plain file"}.`,
      {
        hint: "Name a file to write.",
      },
    );
  }
  if (overwrite) return;
  throw new AppError("conflict", "io.exists", `${path} exists already.`, {
    hint: "Choose another name, or say that it may be replaced.",
  });
}

/** What the operating system says to a new file: that there is no such file can only be about its folder. */
export function creationError(error: unknown, final: string): AppError {
  if (!isCode(error, "ENOENT", "ENOTDIR")) return fileError(error, `Creating ${final}`);
  return new AppError("not-found", "io.not-found", `Creating ${final} failed: there is no folder ${dirname(final)}.`, {
    hint: "Make the folder first, or choose another one.",
    cause: error,
  });
}

/**
 * Throws AppError `io.exists` (now or at commit), `io.not-a-file`, `io.not-found` (no such folder), `io.denied`, `io.no-space`,
 * `io.failed`. Disposing without commit removes what was written.
 */
export async function createFileSink(finalPath: string, options: FileSinkOptions = {}): Promise<ByteSink> {
  const final = resolvePath(finalPath);
  await refuseTarget(final, options.overwrite === true);
  const temp = tempPath(final, "part");
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const fd = await new Promise<number>((resolve, reject) =>
    open(temp, flags, options.mode ?? 0o640, (error, opened) =>
      error === null ? resolve(opened) : reject(creationError(error, final)),
    ),
  );
  return new FileSink(fd, temp, final, options);
}
