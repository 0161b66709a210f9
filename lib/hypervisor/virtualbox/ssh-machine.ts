/** VirtualBox on another machine: programs and files through one SSH connection, which is opened again when it was lost. */
import { win32 } from "node:path";
import type { Client } from "ssh2";
import type { HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import type { MachineFiles } from "#lib/wire/machine-files.ts";
import type { SshTarget } from "#lib/wire/ssh/open-ssh.ts";
import { runCommand } from "#lib/wire/ssh/run-command.ts";
import { sftpFiles, windowsWirePath } from "#lib/wire/ssh/sftp-files.ts";
import { SshSession } from "#lib/wire/ssh/ssh-session.ts";
import type { HostMachine, MachineOs, ProgramOptions } from "./host-machine.ts";
import { inEnglish } from "./locale.ts";
import { posixCommand, windowsInstallFolder, windowsProgram, windowsSpace } from "./quoting.ts";

/** OpenSSH lets 10 sessions through one connection by default; SFTP is one of them. */
const MOST_COMMANDS = 6;
const PROBE_MS = 15_000;
const MOST_PROBED = 65_536;

export class SshMachine implements HostMachine {
  readonly name: string;
  readonly os: MachineOs;
  readonly files: MachineFiles;
  readonly program = null;
  readonly #session: SshSession;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(name: string, os: MachineOs, session: SshSession) {
    this.name = name;
    this.os = os;
    this.#session = session;
    this.files = sftpFiles(name, os === "windows" ? windowsWirePath : (path) => path, {
      sftp: async () => (await session.open()).sftp,
      space: (folder, signal) => this.#space(folder, signal),
    });
  }

  /** Throws what `SshSession` throws, and `host.unknown-os`. */
  static async open(target: SshTarget, secret: HostSecret | null, signal?: AbortSignal): Promise<SshMachine> {
    const session = new SshSession(target, secret);
    try {
      const { client } = await session.open(signal);
      return new SshMachine(target.host, await readOs(target.host, client, signal), session);
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  async run(program: string, args: readonly string[], options: ProgramOptions) {
    const command =
      this.os === "windows" ? windowsProgram(program, args) : posixCommand(inEnglish(this.os), program, args);
    return this.#run(command, options);
  }

  /** On the PATH of the account, or where VirtualBox's installer for Windows says that it put it. */
  async search(signal?: AbortSignal): Promise<string | null> {
    const options = { signal, timeoutMs: PROBE_MS, maxBytes: MOST_PROBED };
    if (this.os === "windows") {
      const folder = (await this.#run(windowsInstallFolder(), options)).stdout.trim();
      return /^[A-Za-z]:\\[^"\r\n]*$/.test(folder) ? win32.join(folder, "VBoxManage.exe") : null;
    }
    const { stdout } = await this.run("sh", ["-c", "command -v VBoxManage"], options);
    return /^\/[^\r\n]*\/VBoxManage$/.exec(stdout.trim())?.[0] ?? null;
  }

  async #run(command: string, options: ProgramOptions) {
    if (this.#running >= MOST_COMMANDS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    try {
      const { client } = await this.#session.open(options.signal);
      return await runCommand(client, command, options);
    } catch (error) {
      if (options.signal?.aborted === true) throw options.signal.reason;
      throw this.#asLost(error);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  #asLost(error: unknown): unknown {
    if (error instanceof AppError) return error;
    return new AppError("unavailable", "host.unreachable", `The connection to ${this.name} was lost.`, {
      hint: "Check the network and the SSH server of the host.",
      cause: error,
    });
  }

  async #space(folder: string, signal?: AbortSignal): Promise<{ capacity: number; free: number } | null> {
    const options = { signal, timeoutMs: PROBE_MS, maxBytes: MOST_PROBED };
    if (this.os === "windows") {
      const { stdout } = await this.#run(windowsSpace(folder), options);
      const [free = Number.NaN, capacity = Number.NaN] = stdout.trim().split(" ").map(Number);
      return Number.isSafeInteger(free) && Number.isSafeInteger(capacity) ? { capacity, free } : null;
    }
    const { stdout } = await this.run("df", ["-Pk", folder], options);
    // Filesystem 1024-blocks Used Available Capacity Mounted on; the first column can hold blanks.
    const found = /\s(\d+)\s+\d+\s+(\d+)\s+\d+%\s/.exec(stdout.split("\n")[1] ?? "");
    return found === null ? null : { capacity: Number(found[1]) * 1024, free: Number(found[2]) * 1024 };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}

/** Each shell leaves another part of this as it is: sh both, cmd.exe the second, PowerShell the first. */
const WHICH_SHELL = "echo %OS% $env:OS";

async function readOs(name: string, client: Client, signal?: AbortSignal): Promise<MachineOs> {
  const options = { signal, timeoutMs: PROBE_MS, maxBytes: MOST_PROBED };
  const probe = async (command: string): Promise<string> => {
    try {
      return (await runCommand(client, command, options)).stdout.trim();
    } catch (cause) {
      if (cause instanceof AppError || signal?.aborted === true) throw cause;
      throw new AppError("unprocessable", "host.refused", `${name} runs no commands by SSH for this user.`, { cause });
    }
  };
  if ((await probe(WHICH_SHELL)).includes("Windows_NT")) return "windows";
  const kernel = await probe("uname -s");
  if (kernel === "Linux") return "linux";
  if (kernel === "Darwin") return "macos";
  throw new AppError("unprocessable", "host.unknown-os", `${name} is neither Linux nor macOS nor Windows.`, {
    hint: "VirtualBox hosts of these three kinds are known.",
    details: { said: kernel.slice(0, 200) },
  });
}
