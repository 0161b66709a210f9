/** A file of the host read at any place, at the wire's speed when it is read in order. */
import type { SFTPWrapper } from "ssh2";
import type { ByteSource } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import { readWindows } from "../read-windows.ts";
import { ask, letGo, sftpError } from "./sftp.ts";

/** Every server takes requests of this size. */
const REQUEST = 32 * 1024;
const WINDOW = 1024 * 1024;
/** Memory for one open file: 24 windows. */
const KEPT = 24;
/** Windows asked for before they are wanted, when reading goes forward: 128 requests in flight. */
const AHEAD = 4;

/** Owns the handle. `name` is for messages. Throws `io.short-read`, and what `sftpError` makes. */
export function sftpSource(sftp: SFTPWrapper, handle: Buffer, size: number, name: string): ByteSource {
  let closed = false;

  const piece = async (into: Buffer, at: number, from: number, length: number): Promise<void> => {
    for (let done = 0; done < length; ) {
      const count = await ask<number>(sftp, (answer) =>
        sftp.read(handle, into, at + done, length - done, from + done, (error, bytes) => answer(error, bytes)),
      );
      if (count <= 0) throw shortRead(from + done);
      done += count;
    }
  };
  const shortRead = (offset: number): AppError =>
    new AppError("unprocessable", "io.short-read", `${name} ends before byte ${offset}; it had ${size} bytes.`, {
      details: { offset, size },
    });
  const fetch = async (index: number): Promise<Buffer> => {
    const start = index * WINDOW;
    const bytes = Buffer.alloc(Math.min(WINDOW, size - start));
    const requests: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += REQUEST)
      requests.push(piece(bytes, at, start + at, Math.min(REQUEST, bytes.length - at)));
    try {
      await Promise.all(requests);
    } catch (error) {
      throw sftpError(error, `Reading ${name}`);
    }
    return bytes;
  };
  const windows = readWindows({ size, window: WINDOW, kept: KEPT, ahead: AHEAD, fetch });
  return {
    size,
    async read(offset, into, signal) {
      if (closed) throw new AppError("internal", "io.closed", `${name} was read after it was closed.`);
      if (!Number.isSafeInteger(offset) || offset < 0 || offset + into.length > size) throw shortRead(offset);
      await windows.read(offset, into, signal);
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      windows.clear();
      await letGo(sftp, handle);
    },
  };
}
