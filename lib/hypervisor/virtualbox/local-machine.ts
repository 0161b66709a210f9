/** VirtualBox on the machine that Supravisor itself runs on. */
import { execFile, spawn } from "node:child_process";
import { constants } from "node:fs";
import { open, readdir, rm, rmdir, stat, statfs } from "node:fs/promises";
import { openFileSource } from "#lib/disk/files/file-source.ts";
import { fileError, isCode } from "#lib/disk/files/file-error.ts";
import type { ByteSink } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import { programEnvironment } from "#lib/process/child-environment.mjs";
import type { MachineFiles } from "#lib/wire/machine-files.ts";
import { decoderOf } from "./code-page.ts";
import type { HostMachine, MachineOs, ProgramOptions, ProgramResult } from "./host-machine.ts";
import { inEnglish } from "./locale.ts";

const OS: Partial<Record<NodeJS.Platform, MachineOs>> = { darwin: "macos", win32: "windows" };
const MOST_LISTED = 5000;
const KILL_MS = 5000;
const CODE_PAGE_MS = 15_000;
const WESTERN = 1252;

const missing = (error: unknown): boolean => isCode(error, "ENOENT", "ENOTDIR");

const files: MachineFiles = {
  async stat(path) {
    try {
      const found = await stat(path);
      return { size: found.size, mtime: found.mtimeMs, isFile: found.isFile() };
    } catch (error) {
      if (missing(error)) return null;
      throw fileError(error, `Looking at ${path}`);
    }
  },
  async list(folder) {
    try {
      const entries = await readdir(folder, { withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .slice(0, MOST_LISTED)
        .map((entry) => entry.name);
    } catch (error) {
      throw fileError(error, `Listing ${folder}`);
    }
  },
  async readText(path, maxBytes, signal) {
    try {
      // O_NONBLOCK: a FIFO would else keep the opener for ever. The length is that of what is read.
      await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const info = await file.stat();
      if (!info.isFile()) throw new AppError("invalid", "io.not-a-file", `${path} is not a plain file.`);
      if (info.size > maxBytes) throw new AppError("unprocessable", "io.too-large", `${path} has ${info.size} bytes.`);
      return await file.readFile({ encoding: "utf8", ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw fileError(error, `Reading ${path}`);
    }
  },
  open: (path, { plain }) => openFileSource(path, { plainOnly: plain }),
  create: createLocal,
  async remove(path) {
    await rm(path, { force: true }).catch((error: unknown) => {
      throw fileError(error, `Removing ${path}`);
    });
  },
  async removeEmptyFolder(path) {
    await rmdir(path).catch(() => undefined);
  },
  async space(folder) {
    const found = await statfs(folder).catch(() => null);
    return found === null ? null : { capacity: found.blocks * found.bsize, free: found.bavail * found.bsize };
  },
};

async function createLocal(path: string): Promise<ByteSink> {
  const handle = await open(path, "wx", 0o600).catch((error: unknown) => {
    throw fileError(error, `Creating ${path}`);
  });
  let closed = false;
  return {
    seekable: true,
    async write(offset, bytes, signal) {
      for (let done = 0; done < bytes.length; ) {
        signal?.throwIfAborted();
        try {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
          done += bytesWritten;
        } catch (error) {
          throw fileError(error, `Writing ${path} at byte ${offset + done}`);
        }
      }
    },
    async commit(length, signal) {
      signal?.throwIfAborted();
      try {
        await handle.truncate(length);
        await handle.sync();
        closed = true;
        await handle.close();
      } catch (error) {
        throw fileError(error, `Finishing ${path}`);
      }
    },
    async [Symbol.asyncDispose]() {
      if (!closed) await handle.close();
      closed = true;
    },
  };
}

export class LocalMachine implements HostMachine {
  readonly name = "this machine";
  readonly os: MachineOs;
  readonly files = files;
  readonly program = process.env["SUPRAVISOR_VBOXMANAGE"] || null;
  readonly #codePage: () => Promise<number | null>;
  #decoder: Promise<TextDecoder | null> | null = null;

  /** `codePage`: of Windows. */
  constructor({
    os = OS[process.platform] ?? "linux",
    codePage = readCodePage,
  }: { os?: MachineOs; codePage?: () => Promise<number | null> } = {}) {
    this.os = os;
    this.#codePage = codePage;
  }

  /** `SUPRAVISOR_VBOXMANAGE` and the usual places are all: what else lies on the PATH is not looked at. */
  async search(): Promise<null> {
    return null;
  }

  /** A code page that could not be asked for this time is asked for again. */
  async #readDecoder(): Promise<TextDecoder> {
    if (this.os !== "windows") return new TextDecoder();
    const asked = (this.#decoder ??= this.#codePage().then((page) => (page === null ? null : decoderOf(page))));
    const decoder = await asked;
    if (decoder === null && this.#decoder === asked) this.#decoder = null;
    return decoder ?? decoderOf(WESTERN);
  }

  async run(program: string, args: readonly string[], options: ProgramOptions): Promise<ProgramResult> {
    const decoder = await this.#readDecoder();
    const { signal, timeoutMs, maxBytes } = options;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      // A group of its own, so that a wrapper script does not leave the program behind when it is stopped.
      const detached = this.os !== "windows";
      const child = spawn(program, args, {
        stdio: ["ignore", "pipe", "pipe"],
        env: programEnvironment(inEnglish(this.os)),
        detached,
        windowsHide: true,
      });
      let over = false;
      const end = (finish: () => void): void => {
        if (over) return;
        over = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        finish();
      };
      const stop = (error: unknown): void =>
        end(() => {
          kill(child.pid, detached);
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      const onAbort = (): void => stop(signal?.reason);
      const timer = setTimeout(
        () => stop(new AppError("unavailable", "host.timeout", `VBoxManage gave no answer for ${timeoutMs / 1000} s.`)),
        timeoutMs,
      );
      signal?.addEventListener("abort", onAbort, { once: true });
      const out: Buffer[] = [];
      const said: Buffer[] = [];
      let bytes = 0;
      const keep = (list: Buffer[]) => (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes)
          return stop(new AppError("unavailable", "host.protocol", `VBoxManage prints more than ${maxBytes} bytes.`));
        list.push(chunk);
      };
      child.stdout.on("data", keep(out));
      child.stderr.on("data", keep(said));
      child.on("error", (error) => end(() => reject(error)));
      child.on("close", (code) =>
        end(() =>
          resolve({
            code,
            stdout: decoder.decode(Buffer.concat(out)),
            stderr: decoder.decode(Buffer.concat(said)),
          }),
        ),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held open between two calls.
  }
}

/** Of this machine; null when Windows does not tell. By its path: a bare name is looked for in the working folder first. */
function readCodePage(): Promise<number | null> {
  const root = process.env["SystemRoot"] ?? "C:\\Windows";
  const program = `${root}\\System32\\WindowsPowerShell\\v1.0\\powershell.exe`;
  const args = ["-NoLogo", "-NoProfile", "-NonInteractive", "-Command", "[Text.Encoding]::Default.CodePage"];
  return new Promise((resolve) =>
    execFile(program, args, { windowsHide: true, timeout: CODE_PAGE_MS, env: programEnvironment() }, (_error, stdout) =>
      resolve(Number(stdout.trim()) || null),
    ),
  );
}

/** Interrupted, VBoxManage calls off what VirtualBox does for it; killed at once it would leave that running. */
function kill(pid: number | undefined, group: boolean): void {
  if (pid === undefined) return;
  const send = (name: NodeJS.Signals): void => {
    try {
      process.kill(group ? -pid : pid, name);
    } catch {
      // It ended in the meantime.
    }
  };
  send("SIGINT");
  setTimeout(() => send("SIGKILL"), KILL_MS).unref();
}
