/** An unfinished file that stays when work ends early, under a name that the next attempt finds. */
import { constants } from "node:fs";
import { type FileHandle, open, readFile, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "#lib/errors.ts";
import { shortName } from "../files/temp-name.ts";
import { fileError, isCode } from "../files/file-error.ts";
import { creationError, refuseTarget, syncFolder, takeName } from "../files/file-sink.ts";

export class PartFile implements AsyncDisposable {
  readonly journalPath: string;
  readonly #file: FileHandle;
  readonly #final: string;
  readonly #path: string;
  readonly #lockPath: string;
  readonly #overwrite: boolean;
  #open = true;

  private constructor(file: FileHandle, final: string, overwrite: boolean) {
    this.#file = file;
    this.#final = final;
    this.#overwrite = overwrite;
    this.#path = partPath(final);
    this.journalPath = `${this.#path}.journal`;
    this.#lockPath = `${this.#path}.lock`;
  }

  /** Throws `io.exists`, `io.busy` while another process writes it, `io.*`. */
  static async open(path: string, overwrite: boolean): Promise<PartFile> {
    const final = resolve(path);
    await refuseTarget(final, overwrite);
    const lock = `${partPath(final)}.lock`;
    await takeLock(lock, final);
    try {
      const file = await open(partPath(final), constants.O_RDWR + constants.O_CREAT, 0o640);
      return new PartFile(file, final, overwrite);
    } catch (error) {
      await unlink(lock).catch(() => undefined);
      throw creationError(error, final);
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
      }
    } catch (error) {
      throw fileError(error, `Writing ${this.#final} at byte ${offset}`, "all");
    }
  }

  /** False when the file ends before. */
  async read(offset: number, into: Uint8Array): Promise<boolean> {
    for (let done = 0; done < into.length; ) {
      const { bytesRead } = await this.#file.read(into, done, into.length - done, offset + done);
      if (bytesRead === 0) return false;
      done += bytesRead;
    }
    return true;
  }

  /** Everything after `length` is gone; what is before and was never written reads as zeros. */
  async cut(length: number): Promise<void> {
    await this.#file.truncate(length).catch((error: unknown) => {
      throw fileError(error, `Cutting ${this.#final}`);
    });
  }

  /** At least `length` bytes long; new ones are zeros. */
  async extend(length: number): Promise<void> {
    if ((await this.#file.stat()).size < length) await this.cut(length);
  }

  /** What was written is on the medium. */
  async sync(): Promise<void> {
    await this.#file.datasync().catch((error: unknown) => {
      throw fileError(error, `Writing ${this.#final}`, "all");
    });
  }

  /** Makes the file real with exactly `length` bytes. */
  async commit(length: number): Promise<void> {
    try {
      await this.#file.truncate(length);
      await this.#file.sync();
      await takeName(this.#path, this.#final, this.#overwrite);
    } catch (error) {
      throw fileError(error, `Finishing ${this.#final}`);
    }
    await syncFolder(dirname(this.#final));
  }

  /** Removes the unfinished file: nothing of it can be used. */
  async remove(): Promise<void> {
    await unlink(this.#path).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file.close();
    await unlink(this.#lockPath).catch(() => undefined);
  }
}

function partPath(final: string): string {
  return join(dirname(final), `.${shortName(basename(final))}.part`);
}

/** A lock of a process that is gone is taken over. */
async function takeLock(path: string, final: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: "wx", mode: 0o640 });
      return;
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw creationError(error, final);
    }
    const owner = Number(await readFile(path, "utf8").catch(() => ""));
    if (Number.isSafeInteger(owner) && owner > 0 && isAlive(owner)) {
      throw new AppError("conflict", "io.busy", `Process ${owner} is writing ${final}.`, {
        hint: `Wait until it ends. If it is none of ours, remove ${path}.`,
      });
    }
    await unlink(path).catch(() => undefined);
  }
  throw new AppError("conflict", "io.busy", `Another process begins to write ${final}.`, { hint: "Try again." });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, "EPERM");
  }
}
