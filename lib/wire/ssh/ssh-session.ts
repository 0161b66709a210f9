/** One SSH connection with SFTP on it, which is opened again when it was lost. */
import type { Client, SFTPWrapper } from "ssh2";
import { AppError } from "#lib/errors.ts";
import { abortable } from "../abortable.ts";
import { openSsh, type SshSecret, type SshTarget } from "./open-ssh.ts";
import { openSftp } from "./sftp.ts";

export interface SshChannels {
  readonly client: Client;
  readonly sftp: SFTPWrapper;
}

export class SshSession implements AsyncDisposable {
  readonly #target: SshTarget;
  readonly #secret: SshSecret | null;
  #channels: Promise<SshChannels> | null = null;
  readonly #end = new AbortController();

  constructor(target: SshTarget, secret: SshSecret | null) {
    this.#target = target;
    this.#secret = secret;
  }

  /**
   * `signal` ends the caller's own wait: others may wait for the same connection. Throws what `openSsh` throws,
   * `host.no-sftp`, and `host.closed` after disposal.
   */
  async open(signal?: AbortSignal): Promise<SshChannels> {
    this.#end.signal.throwIfAborted();
    if (this.#channels !== null) return abortable(this.#channels, signal);
    const forget = (): void => {
      if (this.#channels === opening) this.#channels = null;
    };
    const opening = this.#connect(forget);
    this.#channels = opening;
    opening.catch(forget);
    return abortable(opening, signal);
  }

  async #connect(onLost: () => void): Promise<SshChannels> {
    const client = await openSsh(this.#target, this.#secret, this.#end.signal);
    client.once("close", onLost);
    try {
      const sftp = await openSftp(client);
      // It may go before the connection does.
      sftp.once("close", onLost);
      return { client, sftp };
    } catch (cause) {
      client.destroy();
      throw new AppError("unprocessable", "host.no-sftp", `${this.#target.host} lets nobody in by SFTP.`, {
        hint: "Switch the sftp subsystem of its SSH server on: disks are read and written through it.",
        cause,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new AppError("internal", "host.closed", `The session with ${this.#target.host} was closed.`));
    const channels = await this.#channels?.catch(() => null);
    channels?.client.end();
    channels?.client.destroy();
  }
}
