/** Files on the host: it fetches and sends them itself, told so through remote shells. */
import { createHash, X509Certificate } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { OutgoingFile } from "#lib/disk/outgoing-file.ts";
import { AppError } from "#lib/errors.ts";
import { Incoming } from "#lib/wire/transfer-host/incoming.ts";
import { type TransferAddress, TransferHost } from "#lib/wire/transfer-host/transfer-host.ts";
import { asAppError } from "#lib/wire/wsman/fault.ts";
import { type ProgramOutcome, runProgram } from "#lib/wire/wsman/remote-shell.ts";
import * as command from "./command-line.ts";
import { fetchScript, powershell, sendScript } from "./download-script.ts";
import type { HypervSession } from "./session.ts";

const SHORT_MS = 60_000;
/** Hashing a terabyte takes a while; the host says nothing meanwhile. */
const HASH_MS = 6 * 3600_000;
const ATTEMPTS_WITHOUT_PROGRESS = 4;
const RETRY_MS = 1000;
/** cmd.exe: no such program. */
const NO_PROGRAM = 9009;
/** curl: the file cannot be written. */
const WRITE_ERROR = 23;
/** What a file's transfer leaves beside it while it lasts. */
export const PARTIAL = ".part";
const CERTIFICATE = ".transfer-ca";
const HEADER = ".transfer-key";

const PORTS = /^(\d{1,5})(?:-(\d{1,5}))?$/;

/** `SUPRAVISOR_TRANSFER_PORTS`, e.g. `20000-20049`: what a firewall lets hosts reach. Any free port when it is unset. */
function transferPorts(): readonly [number, number] {
  const found = PORTS.exec(process.env["SUPRAVISOR_TRANSFER_PORTS"] ?? "");
  if (found === null) return [0, 0];
  const from = Number(found[1]);
  return [from, Number(found[2] ?? from)];
}

export class HostFiles {
  readonly #session: HypervSession;

  constructor(session: HypervSession) {
    this.#session = session;
  }

  /** In a shell of its own, on a connection of its own: control does not wait for it. */
  async run(
    commandLine: string,
    doing: string,
    signal?: AbortSignal,
    milliseconds = SHORT_MS,
  ): Promise<ProgramOutcome> {
    const timeout = AbortSignal.timeout(milliseconds);
    await using client = this.#session.another();
    try {
      return await runProgram(client, commandLine, signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.aborted)
        throw new AppError("unavailable", "host.timeout", `${doing} took too long.`, { cause: error });
      throw asAppError(error, doing);
    }
  }

  async exists(path: string, signal?: AbortSignal): Promise<boolean> {
    const outcome = await this.run(command.list(path), `Looking for ${path}`, signal);
    return outcome.exitCode === 0;
  }

  /** Gone already is fine. Throws `host.refused` when the host holds the file. */
  async remove(path: string, signal?: AbortSignal): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      await this.run(command.remove(path), `Removing ${path}`, signal);
      if (!(await this.exists(path, signal))) return;
      if (attempt === ATTEMPTS_WITHOUT_PROGRESS) {
        throw new AppError("conflict", "host.refused", `${path} cannot be removed: something on the host holds it.`);
      }
      // A machine that was just removed lets go of its disks a moment later.
      await delay(RETRY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** What a transfer of the file may have left, and the file. */
  async removeAll(path: string, signal?: AbortSignal): Promise<void> {
    for (const suffix of ["", PARTIAL, CERTIFICATE, HEADER]) await this.remove(`${path}${suffix}`, signal);
  }

  async #openTransfer(path: string, address: TransferAddress, certificate: string, signal?: AbortSignal) {
    const pem = certificate.trim().split(/\r?\n/);
    const files = { certificate: `${path}${CERTIFICATE}`, header: `${path}${HEADER}` };
    const written = await this.run(command.writeLines(files.certificate, pem), `Preparing ${path}`, signal);
    if (written.exitCode !== 0) throw refused(`Preparing ${path}`, written);
    const header = [`Authorization: Bearer ${address.token}`];
    const second = await this.run(command.writeLines(files.header, header), `Preparing ${path}`, signal);
    if (second.exitCode !== 0) throw refused(`Preparing ${path}`, second);
    return {
      transfer: { url: address.url, ...files },
      script: {
        url: address.url,
        token: address.token,
        fingerprint: new X509Certificate(certificate).fingerprint256.replaceAll(":", "").toLowerCase(),
        path,
      },
    };
  }

  async #closeTransfer(path: string): Promise<void> {
    const signal = AbortSignal.timeout(SHORT_MS);
    for (const suffix of [CERTIFICATE, HEADER]) {
      await this.run(command.remove(`${path}${suffix}`), `Removing ${path}${suffix}`, signal).catch(() => undefined);
    }
  }

  async #listen(): Promise<TransferHost> {
    const { callback } = this.#session.connection;
    const local = this.#session.localAddress?.replace(/^::ffff:/, "") ?? "127.0.0.1";
    return TransferHost.listen(callback ?? local, transferPorts());
  }

  /**
   * Runs a program until it has done its work; a cut connection is taken up again while something moves.
   * `moved` tells how far it is. Throws `host.refused`, `host.no-downloader`, `pool.full`.
   */
  async #persist(
    doing: string,
    attempt: (useScript: boolean) => string,
    moved: () => number,
    done: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    let useScript = false;
    let idle = 0;
    for (;;) {
      const before = moved();
      const outcome = await this.run(attempt(useScript), doing, signal, HASH_MS);
      if (outcome.exitCode === 0 && done()) return;
      if (outcome.exitCode === NO_PROGRAM) {
        if (useScript) {
          throw new AppError(
            "unprocessable",
            "host.no-downloader",
            `${doing}: the host has neither curl.exe nor PowerShell.`,
            {
              hint: "curl.exe comes with Windows Server 2019 and later.",
            },
          );
        }
        useScript = true;
        continue;
      }
      if (outcome.exitCode === WRITE_ERROR) {
        throw new AppError(
          "unprocessable",
          "pool.full",
          `${doing}: the host cannot write the file. ${words(outcome)}`,
          {
            hint: "Free space on the drive, or choose another one.",
          },
        );
      }
      idle = moved() > before ? 0 : idle + 1;
      if (idle === ATTEMPTS_WITHOUT_PROGRESS) {
        throw new AppError("unavailable", "host.transfer-failed", `${doing} failed: ${words(outcome)}`, {
          hint:
            "The host must be able to connect to this console: check the firewall, SUPRAVISOR_TRANSFER_PORTS, and the " +
            "address in the host's connection.",
        });
      }
      await delay(RETRY_MS, undefined, { signal });
    }
  }

  /** The host fetches the file, and shows by its SHA-256 that it has it. */
  async fetch(path: string, file: OutgoingFile, signal: AbortSignal): Promise<void> {
    const folder = path.slice(0, path.lastIndexOf("\\"));
    await this.run(command.makeFolder(folder), `Making ${folder}`, signal);
    const hashed = new HashedFile(file);
    await using host = await this.#listen();
    const address = host.offer(hashed, signal);
    try {
      const { transfer, script } = await this.#openTransfer(path, address, host.certificate, signal);
      const partial = `${path}${PARTIAL}`;
      await this.#persist(
        `Sending ${path}`,
        (useScript) =>
          useScript ? powershell(fetchScript({ ...script, path: partial })) : command.fetchFile(transfer, partial),
        () => hashed.passed,
        () => hashed.passed === file.length,
        signal,
      );
      const found = await this.#hashOnHost(partial, signal);
      const sent = hashed.digest();
      if (found !== sent) {
        throw new AppError("unprocessable", "verify.mismatch", `What arrived as ${path} is not what was sent.`, {
          hint: "Check the host's storage, and what stands between it and this console.",
          details: { expected: sent, found },
        });
      }
      const moved = await this.run(command.rename(partial, path), `Naming ${path}`, signal);
      if (moved.exitCode !== 0) throw refused(`Naming ${path}`, moved);
    } finally {
      address.close();
      await this.#closeTransfer(path);
    }
  }

  async #hashOnHost(path: string, signal: AbortSignal): Promise<string> {
    const outcome = await this.run(command.hashFile(path), `Checking ${path}`, signal, HASH_MS);
    // Older releases write the digits in pairs.
    const hash = /^\s*((?:[0-9a-f]{2} ?){32})\s*$/im.exec(outcome.stdout)?.[1]?.replaceAll(" ", "").toLowerCase();
    if (outcome.exitCode !== 0 || hash === undefined) throw refused(`Checking ${path}`, outcome);
    return hash;
  }

  /**
   * The host sends the file. `keys` names the two small files that the transfer needs there. Disposing it ends the
   * sending.
   */
  async send(
    path: string,
    keys: string,
    signal?: AbortSignal,
  ): Promise<{ bytes: AsyncIterable<Uint8Array> } & AsyncDisposable> {
    const stop = new AbortController();
    const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const host = await this.#listen();
    const incoming = new Incoming(path);
    const address = host.accept(incoming);
    let sending: Promise<void> = Promise.resolve();
    const close = async (): Promise<void> => {
      stop.abort(new AppError("cancelled", "cancelled", `Reading ${path} was ended.`));
      incoming.close();
      address.close();
      await sending;
      await host[Symbol.asyncDispose]();
      await this.#closeTransfer(keys);
    };
    try {
      const { transfer, script } = await this.#openTransfer(keys, address, host.certificate, both);
      sending = this.#persist(
        `Reading ${path}`,
        (useScript) =>
          useScript
            ? powershell(sendScript({ ...script, path }, incoming.received))
            : command.sendFile(transfer, path, incoming.received),
        () => incoming.received,
        () => incoming.complete,
        both,
      ).catch((error: unknown) => incoming.fail(signal?.aborted === true ? signal.reason : error));
      return { bytes: incoming.bytes(), [Symbol.asyncDispose]: close };
    } catch (error) {
      await close();
      throw error;
    }
  }
}

const words = (outcome: ProgramOutcome): string =>
  (outcome.stderr.trim() || outcome.stdout.trim() || `exit code ${outcome.exitCode}`).slice(0, 400);

function refused(doing: string, outcome: ProgramOutcome): AppError {
  return new AppError("unprocessable", "host.refused", `${doing} failed: ${words(outcome)}`);
}

/** SHA-256 of the file in its order, whatever is read again after a cut. */
class HashedFile implements OutgoingFile {
  readonly #file: OutgoingFile;
  readonly #hash = createHash("sha256");
  passed = 0;

  constructor(file: OutgoingFile) {
    this.#file = file;
  }

  get length(): number {
    return this.#file.length;
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#file.read(offset, into, signal);
    if (offset > this.passed || offset + into.length <= this.passed) return;
    this.#hash.update(into.subarray(this.passed - offset));
    this.passed = offset + into.length;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}
