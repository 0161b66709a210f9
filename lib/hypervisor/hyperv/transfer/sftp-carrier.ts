/** Disks written into the host's folders and read where they lie, by SFTP. */
import { win32 } from "node:path";
import type { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { streamOf } from "#lib/disk/forward/stream-of.ts";
import { AppError } from "#lib/errors.ts";
import type { MachineFiles } from "#lib/wire/machine-files.ts";
import { type SftpFiles, sftpFiles, windowsWirePath } from "#lib/wire/ssh/sftp-files.ts";
import { SshSession } from "#lib/wire/ssh/ssh-session.ts";
import type { HostDisk, PushedDisk, ResourceRef } from "../../adapter.ts";
import { openChain } from "../../chain-files.ts";
import { sinkIntoPool } from "../../pool-sink.ts";
import { checked } from "../capture.ts";
import { chainOf } from "../disk-chain.ts";
import type { DiskCarrier, DiskToRead } from "./disk-carrier.ts";
import { CERTIFICATE, HEADER, isCut, PARTIAL, pause } from "./host-files.ts";
import { poolOf } from "../read-host.ts";
import type { HypervSession } from "../session.ts";

type Space = MachineFiles["space"];
type Sftp = Extract<HypervConnection["files"], { by: "sftp" }>;

const ATTEMPTS = 5;
/** Twice as long each time. */
const RETRY_MS = 250;

/** Throws `host.bad-path`. */
function wirePath(path: string): string {
  if (/^[A-Za-z]:\\/.test(path)) return windowsWirePath(path);
  throw new AppError("unprocessable", "host.bad-path", `${path} is on no drive of the host: SFTP does not reach it.`, {
    hint: "Let the host move its disks by WinRM, or move this one to a drive or a cluster's shared volume.",
  });
}

/** Without the brackets of an IPv6 address. */
export const bareHost = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

/** A key alone is enough; the account's own password goes where no other was given. */
function secretOf(secret: HostSecret | null) {
  if (secret?.privateKey !== undefined) return { privateKey: secret.privateKey, passphrase: secret.passphrase };
  return { password: secret?.sshPassword ?? secret?.password };
}

export class SftpCarrier implements DiskCarrier {
  readonly inPlace = true;
  readonly intake = "any-order";
  readonly #session: HypervSession;
  readonly #ssh: SshSession;
  readonly #files: SftpFiles;

  private constructor(session: HypervSession, ssh: SshSession, space: Space) {
    this.#session = session;
    this.#ssh = ssh;
    this.#files = sftpFiles(session.connection.host, wirePath, { sftp: async () => (await ssh.open()).sftp, space });
  }

  /** Signs in. Throws what `SshSession` throws, and `host.no-sftp` where Windows' drives are not shown. */
  static async open(
    session: HypervSession,
    files: Sftp,
    secret: HostSecret | null,
    space: Space,
    signal?: AbortSignal,
  ): Promise<SftpCarrier> {
    const { host } = session.connection;
    const target = { host: bareHost(host), port: files.port, user: files.user, hostKey: files.hostKey };
    const ssh = new SshSession(target, secretOf(secret));
    const carrier = new SftpCarrier(session, ssh, space);
    try {
      await ssh.open(signal);
      if ((await carrier.#files.stat("C:\\", signal)) === null)
        throw new AppError("unprocessable", "host.no-sftp", `SFTP on ${host} does not show the drives of Windows.`, {
          hint: "Use the OpenSSH server that comes with Windows, without a ChrootDirectory for this user.",
        });
      return carrier;
    } catch (error) {
      await ssh[Symbol.asyncDispose]();
      throw error;
    }
  }

  async exists(path: string, signal?: AbortSignal): Promise<boolean> {
    const look = () => this.#files.stat(path, signal);
    // A connection that stood still for long may be gone without anybody having noticed.
    return (await look().catch((error: unknown) => (isCut(error) ? look() : Promise.reject(error as Error)))) !== null;
  }

  async create(resource: ResourceRef, signal?: AbortSignal): Promise<PushedDisk> {
    await this.#files.makeFolder(win32.dirname(resource.ref), signal);
    const sink = await this.#files.create(resource.ref, signal);
    return {
      resource,
      sink: sinkIntoPool(sink, `${poolOf(resource.ref) ?? resource.ref} on ${this.#session.connection.host}`),
    };
  }

  openAlone({ path, format }: DiskToRead, signal?: AbortSignal): Promise<HostDisk> {
    return openChain({ files: this.#files, paths: win32 }, [{ location: path, format }], signal);
  }

  async openWatched({ path }: DiskToRead, check: () => Promise<void>, signal?: AbortSignal): Promise<HostDisk> {
    const chain = await chainOf(this.#session, path, signal);
    const opened = await openChain({ files: this.#files, paths: win32 }, chain, signal);
    if (opened.access === "once") return opened;
    return {
      access: "once",
      stream: checked(streamOf(opened.disk), check),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  }

  async removeAll(path: string, signal?: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        for (const suffix of ["", PARTIAL, CERTIFICATE, HEADER]) await this.#files.remove(`${path}${suffix}`, signal);
        return;
      } catch (error) {
        const held = error instanceof AppError && (error.code === "io.failed" || error.code === "io.denied");
        if (!held && (!isCut(error) || attempt > 1)) throw error;
        if (held && attempt === ATTEMPTS)
          throw new AppError("conflict", "host.refused", `${path} cannot be removed: ${error.message}`, {
            hint: "Something on the host holds it, or the user of SFTP may not remove it.",
            cause: error,
          });
        // A machine that was just removed lets go of its disks a moment later.
        await pause(RETRY_MS * 2 ** attempt, signal);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#ssh[Symbol.asyncDispose]();
  }
}
