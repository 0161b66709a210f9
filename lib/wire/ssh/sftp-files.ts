/** Files of a machine by SFTP. */
import type { SFTPWrapper, Stats } from "ssh2";
import type { ByteSource } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import { abortable } from "../abortable.ts";
import type { MachineFiles } from "../machine-files.ts";
import { ask, isEnd, isNoSuchFile, letGo, sftpError } from "./sftp.ts";
import { sftpSink } from "./sftp-sink.ts";
import { sftpSource } from "./sftp-source.ts";

const MOST_LISTED = 5000;
/** What any file system takes as a path; a packet has room for a name of 256 KiB. */
const LONGEST_NAME = 4096;
/** A write is refused like this when the disk is full, for SFTP has no word for it. */
const FULL_BELOW = 8 * 1024 * 1024;

interface Reach {
  sftp(): Promise<SFTPWrapper>;
  space(folder: string, signal?: AbortSignal): Promise<{ capacity: number; free: number } | null>;
}

/** `C:\a\b` is `/C:/a/b` to a Windows server. */
export const windowsWirePath = (path: string): string => `/${path.replaceAll("\\", "/")}`;

export interface SftpFiles extends MachineFiles {
  /** With all that it lies in; there already is fine. */
  makeFolder(folder: string, signal?: AbortSignal): Promise<void>;
}

/** `wire`: how the server wants to be told a path; it may throw for one that it cannot reach. */
export function sftpFiles(host: string, wire: (path: string) => string, reach: Reach): SftpFiles {
  const on = (path: string): string => `${path} on ${host}`;
  const told = async <T>(doing: string, work: Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await abortable(work, signal);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw sftpError(error, doing);
    }
  };
  const request = async <T>(run: (sftp: SFTPWrapper, done: (error?: Error | null, value?: T) => void) => void) => {
    const sftp = await reach.sftp();
    return ask<T>(sftp, (done) => run(sftp, done));
  };
  const statOf = async (path: string): Promise<Stats | null> => {
    try {
      return await request<Stats>((sftp, done) => sftp.stat(wire(path), done));
    } catch (error) {
      if (isNoSuchFile(error)) return null;
      throw error;
    }
  };
  const open = async (
    path: string,
    { plain, signal }: { plain: boolean; signal?: AbortSignal | undefined },
  ): Promise<ByteSource> => {
    const doing = `Opening ${on(path)}`;
    if (plain) {
      const link = await told(
        doing,
        request<Stats>((sftp, done) => sftp.lstat(wire(path), done)),
        signal,
      );
      if (!link.isFile()) throw new AppError("unprocessable", "io.not-a-file", `${on(path)} is not a plain file.`);
    }
    const sftp = await told(doing, reach.sftp(), signal);
    const handle = await told(
      doing,
      ask<Buffer>(sftp, (done) => sftp.open(wire(path), "r", done)),
      signal,
    );
    const { size } = await told(
      doing,
      ask<Stats>(sftp, (done) => sftp.fstat(handle, done)),
      signal,
    );
    return sftpSource(sftp, handle, size, on(path));
  };
  /** Servers say that a folder is there already in words of their own: whoever is refused looks. */
  const made = async (part: string, folder: string, signal?: AbortSignal): Promise<void> => {
    const ready = request<Stats>((sftp, done) => sftp.stat(part, done)).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (await abortable(ready, signal)) return;
    const making = request((sftp, done) => sftp.mkdir(part, done)).catch(async (error: unknown) => {
      const now = await request<Stats>((sftp, done) => sftp.stat(part, done)).catch(() => null);
      if (now?.isDirectory() !== true) throw error;
    });
    await told(`Making the folder ${on(folder)}`, making, signal);
  };
  return {
    async stat(path, signal) {
      const found = await told(`Looking at ${on(path)}`, statOf(path), signal);
      return found === null ? null : { size: found.size, mtime: found.mtime * 1000, isFile: found.isFile() };
    },
    async list(folder, signal) {
      const sftp = await told(`Listing ${on(folder)}`, reach.sftp(), signal);
      return told(`Listing ${on(folder)}`, plainFiles(sftp, wire(folder), signal), signal);
    },
    async readText(path, maxBytes, signal) {
      await using source = await open(path, { plain: false, signal });
      if (source.size > maxBytes)
        throw new AppError("unprocessable", "io.too-large", `${on(path)} has ${source.size} bytes.`);
      const bytes = Buffer.alloc(source.size);
      await source.read(0, bytes, signal);
      return bytes.toString("utf8");
    },
    open,
    async create(path, signal) {
      const doing = `Creating ${on(path)}`;
      // SFTP has no word for a name that is taken.
      if ((await told(doing, statOf(path), signal)) !== null)
        throw new AppError("conflict", "io.exists", `${doing} failed: a file of that name exists.`);
      const sftp = await told(doing, reach.sftp(), signal);
      const handle = await told(
        doing,
        ask<Buffer>(sftp, (done) => sftp.open(wire(path), "wx", { mode: 0o600 }, done)),
        signal,
      );
      return sftpSink(sftp, handle, on(path), async (error) => {
        if (!(error instanceof AppError && error.code === "io.failed")) return error;
        const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")));
        const space = await reach.space(folder).catch(() => null);
        if (space === null || space.free >= FULL_BELOW) return error;
        return new AppError("unprocessable", "io.no-space", `Writing ${on(path)} failed: no space is left there.`, {
          cause: error,
        });
      });
    },
    async makeFolder(folder, signal) {
      const whole = wire(folder);
      // A drive is there, or nobody can make it.
      for (let end = whole.indexOf("/", 1); end !== -1; end = whole.indexOf("/", end + 1))
        await made(whole.slice(0, end), folder, signal);
      await made(whole, folder, signal);
    },
    async remove(path, signal) {
      const doing = `Removing ${on(path)}`;
      await told(
        doing,
        request((sftp, done) => sftp.unlink(wire(path), done)).catch((error: unknown) => {
          if (!isNoSuchFile(error)) throw error;
        }),
        signal,
      );
    },
    async removeEmptyFolder(path, signal) {
      await abortable(
        request((sftp, done) => sftp.rmdir(wire(path), done)).catch(() => undefined),
        signal,
      );
    },
    space: reach.space,
  };
}

/** Answers to one question after the names of a folder; a server that says nothing new in as many will not. */
const MOST_ANSWERS = 5000;

/** Piece by piece, as a server tells them: one that never ends its list is not followed. */
async function plainFiles(sftp: SFTPWrapper, folder: string, signal?: AbortSignal): Promise<string[]> {
  const handle = await ask<Buffer>(sftp, (done) => sftp.opendir(folder, done));
  const names: string[] = [];
  try {
    for (let answers = 0; answers < MOST_ANSWERS && names.length < MOST_LISTED; answers += 1) {
      signal?.throwIfAborted();
      const entries = await ask<readonly { filename: string; attrs: Stats }[] | false>(sftp, (done) =>
        sftp.readdir(handle, (error, list) => (isEnd(error) ? done(null, false) : done(error, list))),
      );
      if (entries === false) break;
      for (const { filename, attrs } of entries)
        if (filename.length <= LONGEST_NAME && attrs.isFile()) names.push(filename);
    }
  } finally {
    await letGo(sftp, handle);
  }
  return names.slice(0, MOST_LISTED);
}
