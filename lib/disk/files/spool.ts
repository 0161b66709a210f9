/**
 * A sparse file that holds what must be kept for a while: a disk that came in an order which the target cannot take.
 * It has no name from the moment it is open, so nothing is left of it whatever ends the process.
 */
import { close, closeSync, constants, ftruncate, openSync, read, unlinkSync, write } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "#lib/errors.ts";
import type { ByteSource } from "../io.ts";
import { fileError } from "./file-error.ts";
import { sourceOfDescriptor } from "./file-source.ts";

export interface SpoolPlace {
  /** Absolute; on a disk with room for the data of the largest disk that may come. */
  readonly folder: string;
  /** Tells whose it is: the job's id. Letters, digits and dashes. */
  readonly name: string;
}

/** The folder keeps so much free. Bytes. */
const RESERVE = 256 * 1024 * 1024;
/** How much is written between two looks at the free space. */
const LOOK_EVERY = 64 * 1024 * 1024;
const PREFIX = ".supravisor-spool-";

export class Spool implements AsyncDisposable {
  readonly #fd: number;
  readonly #folder: string;
  #unseen = LOOK_EVERY;
  #handedOut = false;
  /** Bytes that were written. */
  moved = 0;

  constructor(fd: number, folder: string) {
    this.#fd = fd;
    this.#folder = folder;
  }

  /** Throws `io.no-space` before the folder's last 256 MiB are used. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#unseen += bytes.length;
    if (this.#unseen >= LOOK_EVERY) {
      this.#unseen = bytes.length;
      await this.#requireSpace();
    }
    for (let done = 0; done < bytes.length; ) {
      done += await new Promise<number>((resolve, reject) =>
        write(this.#fd, bytes, done, bytes.length - done, offset + done, (error, count) =>
          error === null ? resolve(count) : reject(fileError(error, `Writing a spool file in ${this.#folder}`)),
        ),
      );
    }
    this.moved += bytes.length;
  }

  /** Zeros where nothing was written, also after the end. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length; ) {
      const count = await new Promise<number>((resolve, reject) =>
        read(this.#fd, into, done, into.length - done, offset + done, (error, found) =>
          error === null ? resolve(found) : reject(fileError(error, `Reading a spool file in ${this.#folder}`)),
        ),
      );
      if (count === 0) {
        into.fill(0, done);
        return;
      }
      done += count;
    }
  }

  async #requireSpace(): Promise<void> {
    const info = await statfs(this.#folder).catch((error: unknown) => {
      throw fileError(error, `Looking for space in ${this.#folder}`);
    });
    const free = info.bavail * info.bsize;
    if (free - LOOK_EVERY >= RESERVE) return;
    throw new AppError("unprocessable", "io.no-space", `${this.#folder} has no room to hold the disk meanwhile.`, {
      hint: "Free some space there, or choose a target that takes the disk as it comes.",
      details: { folder: this.#folder, free },
    });
  }

  /** The file with `size` bytes, holes where nothing was written. It owns the file from now on. */
  async source(size: number, label: string): Promise<ByteSource> {
    await new Promise<void>((resolve, reject) =>
      ftruncate(this.#fd, size, (error) =>
        error === null ? resolve() : reject(fileError(error, `Ending a spool file in ${this.#folder}`)),
      ),
    );
    this.#handedOut = true;
    return sourceOfDescriptor(this.#fd, size, label);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#handedOut) return;
    this.#handedOut = true;
    await new Promise<void>((resolve) => close(this.#fd, () => resolve()));
  }
}

/** Throws `io.*`. */
export async function createSpool(place: SpoolPlace): Promise<Spool> {
  const path = join(place.folder, `${PREFIX}${place.name}-${process.pid}-${Date.now()}`);
  let fd: number;
  try {
    // In one breath: nobody but us ever sees the name.
    fd = openSync(path, constants.O_RDWR + constants.O_CREAT + constants.O_EXCL, 0o600);
  } catch (error) {
    throw fileError(error, `Creating a spool file in ${place.folder}`);
  }
  try {
    unlinkSync(path);
  } catch (error) {
    closeSync(fd);
    throw fileError(error, `Creating a spool file in ${place.folder}`);
  }
  return new Spool(fd, place.folder);
}
