/** A file being written on the host, under its own name from the first byte on: the ledger knows no other. */
import type { SFTPWrapper } from "ssh2";
import type { ByteSink } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import { abortable } from "../abortable.ts";
import { ask, letGo, sftpError } from "./sftp.ts";

/** Every server takes requests of this size. */
const REQUEST = 32 * 1024;
/** Bytes written and not yet acknowledged: 128 requests. */
const IN_FLIGHT = 4 * 1024 * 1024;

/**
 * Owns the handle. What is not written is a hole. A refusal comes with the next `write` or `commit`. Disposing without
 * commit closes the file and leaves it to whoever named it. `explain` may tell more of an error (a full disk).
 */
export function sftpSink(
  sftp: SFTPWrapper,
  handle: Buffer,
  name: string,
  explain: (error: unknown) => Promise<unknown>,
): ByteSink {
  let outstanding = 0;
  let failed: unknown = null;
  let closed = false;
  let wake: (() => void) | null = null;

  const settle = (length: number, error: unknown): void => {
    outstanding -= length;
    if (error) failed ??= error;
    wake?.();
  };
  /** Until less than `most` bytes are under way, or one was refused. */
  const room = async (most: number, signal: AbortSignal | undefined): Promise<void> => {
    while (outstanding > most && failed === null) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => reject(signal?.reason);
        signal?.addEventListener("abort", onAbort, { once: true });
        wake = () => {
          signal?.removeEventListener("abort", onAbort);
          wake = null;
          resolve();
        };
      });
    }
    if (failed !== null) throw await explain(sftpError(failed, `Writing ${name}`));
  };
  const onClose = (): void => settle(0, new Error("The connection was closed."));
  sftp.once("close", onClose);

  return {
    seekable: true,
    async write(offset, bytes, signal) {
      signal?.throwIfAborted();
      if (closed) throw new AppError("internal", "io.closed", `${name} was written after it was closed.`);
      // The caller uses its buffer again.
      const copy = Buffer.from(bytes);
      for (let at = 0; at < copy.length; at += REQUEST) {
        const length = Math.min(REQUEST, copy.length - at);
        await room(IN_FLIGHT - length, signal);
        outstanding += length;
        sftp.write(handle, copy, at, length, offset + at, (error) => settle(length, error));
      }
    },
    async commit(length, signal) {
      await room(0, signal);
      try {
        await abortable(
          ask(sftp, (done) => sftp.fsetstat(handle, { size: length }, done)),
          signal,
        );
        await abortable(flush(sftp, handle), signal);
        closed = true;
        await ask(sftp, (done) => sftp.close(handle, done));
      } catch (error) {
        throw await explain(sftpError(error, `Finishing ${name}`));
      } finally {
        sftp.removeListener("close", onClose);
      }
    },
    async [Symbol.asyncDispose]() {
      sftp.removeListener("close", onClose);
      if (closed) return;
      closed = true;
      await letGo(sftp, handle);
    },
  };
}

/** Onto the medium, where the server knows how. */
async function flush(sftp: SFTPWrapper, handle: Buffer): Promise<void> {
  try {
    await ask(sftp, (done) => sftp.ext_openssh_fsync(handle, done));
  } catch (error) {
    // ssh2 says so by an exception, servers by a status; a connection that is gone shows at the close that follows.
    if (error instanceof AppError) throw error;
  }
}
