/** SFTP over an open SSH connection: files of the host by their path there. */
import { setTimeout as delay } from "node:timers/promises";
import type { Client, SFTPWrapper } from "ssh2";
import { AppError } from "#lib/errors.ts";

/** Status codes of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 7). */
const END = 1;
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;

const ended = new WeakSet<SFTPWrapper>();

export function openSftp(client: Client): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    client.sftp((error, sftp) => {
      if (error) return reject(error);
      // One for each request in flight.
      sftp.setMaxListeners(0);
      sftp.on("error", () => undefined);
      sftp.once("close", () => ended.add(sftp));
      resolve(sftp);
    });
  });
}

/** One request; rejects as well when the connection ends first. */
export function ask<T>(sftp: SFTPWrapper, run: (done: (error?: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    if (ended.has(sftp)) throw new Error("The connection was closed.");
    const onClose = (): void => reject(new Error("The connection was closed."));
    sftp.once("close", onClose);
    run((error, value) => {
      sftp.removeListener("close", onClose);
      if (error) reject(error);
      else resolve(value as T);
    });
  });
}

const CLOSE_MS = 1000;

/** For whoever is done with it: a server that does not answer closes it with the connection. */
export async function letGo(sftp: SFTPWrapper, handle: Buffer): Promise<void> {
  const closed = ask(sftp, (done) => sftp.close(handle, done)).catch(() => undefined);
  await Promise.race([closed, delay(CLOSE_MS, undefined, { ref: false })]);
}

const statusOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : null);

/** Of a list: nothing more comes. */
export const isEnd = (error: unknown): boolean => statusOf(error) === END;

export const isNoSuchFile = (error: unknown): boolean => statusOf(error) === NO_SUCH_FILE;

/** `doing` begins the sentence: `Reading /x/y.vdi on host`. Codes: io.not-found, io.denied, host.unreachable, io.failed. */
export function sftpError(error: unknown, doing: string): Error {
  if (error instanceof AppError || (error instanceof Error && error.name === "AbortError")) return error;
  const status = statusOf(error);
  if (status === NO_SUCH_FILE)
    return new AppError("not-found", "io.not-found", `${doing} failed: there is no such file.`, { cause: error });
  if (status === PERMISSION_DENIED)
    return new AppError("forbidden", "io.denied", `${doing} failed: permission denied.`, {
      cause: error,
      hint: "The user that signs in by SSH must be allowed to read and write there.",
    });
  if (typeof status === "number")
    return new AppError("unavailable", "io.failed", `${doing} failed: the host refused it without saying why.`, {
      cause: error,
    });
  return new AppError("unavailable", "host.unreachable", `${doing} was cut off: the connection to the host is gone.`, {
    cause: error,
    hint: "Check the network and try again; nothing of it is kept.",
  });
}
