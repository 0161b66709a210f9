/** The host fetches and sends files itself, told so through remote shells: by curl.exe, or else by .NET. */
import { X509Certificate } from "node:crypto";
import type { OutgoingFile } from "#lib/disk/outgoing-file.ts";
import { AppError } from "#lib/errors.ts";
import { Incoming } from "#lib/wire/transfer-host/incoming.ts";
import { type TransferAddress, TransferHost } from "#lib/wire/transfer-host/transfer-host.ts";
import type { ProgramOutcome } from "#lib/wire/wsman/remote-shell.ts";
import * as command from "./command-line.ts";
import { readCurl, takesCaFile } from "./curl.ts";
import { fetchScript, NO_SPACE, powershell, sendScript } from "./download-script.ts";
import { HashedFile } from "./hashed-file.ts";
import { CERTIFICATE, HEADER, type HostFiles, isCut, lists, PARTIAL, pause, refused, words } from "./host-files.ts";
import type { HypervSession } from "../session.ts";

const CLOSE_MS = 30_000;
/** A copy of a large disk over a slow line; whoever waits has a signal. */
const TRANSFER_MS = 7 * 24 * 3600_000;
const ATTEMPTS_WITHOUT_PROGRESS = 5;
/** Twice as long each time nothing moved. */
const RETRY_MS = 250;
/** Variable of the shell that holds the one-time token. */
const TOKEN = "SUPRAVISOR_TOKEN";
/** cmd.exe: no such program. 1 is what `cmd /c` ends with, 9009 what stands in ERRORLEVEL meanwhile. */
const NO_PROGRAM: readonly number[] = [1, 9009];
/** curl: an option that it does not know, or that it was not built with. */
const TOO_OLD: readonly number[] = [2, 4];
/** curl: it could not set up TLS (35), does not trust the certificate (58, 60), or cannot read the file with it (77). */
const NO_TRUST: readonly number[] = [35, 58, 60, 77];

const PORTS = /^(\d{1,5})(?:-(\d{1,5}))?$/;

/** `SUPRAVISOR_TRANSFER_PORTS`, e.g. `20000-20049`: what a firewall lets hosts reach. Any free port when it is unset. */
function transferPorts(): readonly [number, number] {
  const found = PORTS.exec(process.env["SUPRAVISOR_TRANSFER_PORTS"] ?? "");
  if (found === null) return [0, 0];
  const from = Number(found[1]);
  return [from, Number(found[2] ?? from)];
}

/** One piece of work, as often as it has to be begun. */
interface Attempts {
  readonly doing: string;
  commandLine(useScript: boolean): string;
  /** Bytes. */
  moved(): number;
  done(): boolean;
  /** Why this side cannot go on; null while it can. */
  failure(): unknown;
}

export class FileTransfer {
  readonly #session: HypervSession;
  readonly #files: HostFiles;
  /** The host has a curl.exe that can do it. Asked once; of a host that has none, before each transfer. */
  #canCurl = false;

  constructor(session: HypervSession, files: HostFiles) {
    this.#session = session;
    this.#files = files;
  }

  async #useScript(signal: AbortSignal): Promise<boolean> {
    if (!this.#canCurl) {
      const said = await this.#files.repeat(command.curlVersion, "Looking for curl.exe", signal);
      const curl = readCurl(said.stdout);
      this.#canCurl = curl !== null && takesCaFile(curl);
    }
    return !this.#canCurl;
  }

  /** `first`: commands that are run before. */
  async #open(
    path: string,
    address: TransferAddress,
    certificate: string,
    first: readonly string[],
    signal?: AbortSignal,
  ) {
    const doing = `Preparing ${path}`;
    const files = { certificate: `${path}${CERTIFICATE}`, header: `${path}${HEADER}` };
    const commands = [
      ...first,
      // What an earlier attempt left would pass for what could not be written now.
      command.remove([files.certificate, files.header]),
      command.writeLines(files.certificate, certificate.trim().split(/\r?\n/)),
      // cmd puts the token in itself: the command line, which is logged, has the variable's name.
      command.writeLines(files.header, [`Authorization: Bearer ${command.variable(TOKEN)}`]),
      command.list([files.certificate, files.header]),
    ];
    const outcome = await this.#files.repeat(command.inTurn(...commands), doing, signal, undefined, {
      [TOKEN]: address.token,
    });
    // Commands that print nothing can end with 0 though they did nothing.
    if (!lists(outcome, files.certificate) || !lists(outcome, files.header)) throw refused(doing, outcome);
    return {
      transfer: { ...address.named, ...files },
      script: {
        url: address.url,
        header: files.header,
        fingerprint: new X509Certificate(certificate).fingerprint256.replaceAll(":", "").toLowerCase(),
        path,
      },
    };
  }

  async #close(path: string): Promise<void> {
    const both = command.remove([`${path}${CERTIFICATE}`, `${path}${HEADER}`]);
    // What stays behind is the ledger's to remove, and of no use to anybody: its address is closed.
    await this.#files.run(both, `Removing ${path}`, AbortSignal.timeout(CLOSE_MS)).catch(() => undefined);
  }

  async #listen(): Promise<TransferHost> {
    const { callback } = this.#session.connection;
    const local = this.#session.localAddress?.replace(/^::ffff:/, "") ?? "127.0.0.1";
    return TransferHost.listen(callback ?? local, transferPorts());
  }

  /**
   * Runs a program until it has done its work; a cut connection is taken up again while something moves.
   * Throws `host.transfer-failed`, `host.no-downloader`, `pool.full`.
   */
  async #persist(work: Attempts, signal: AbortSignal): Promise<void> {
    const { doing } = work;
    let useScript = await this.#useScript(signal);
    /** Why curl would not have the certificate; it is in no one's way once .NET took over. */
    let distrust: string | null = null;
    let idle = 0;
    for (;;) {
      const before = work.moved();
      let outcome: ProgramOutcome | null = null;
      let why: string;
      try {
        outcome = await this.#files.run(work.commandLine(useScript), doing, signal, TRANSFER_MS);
        why = words(outcome);
      } catch (error) {
        if (!isCut(error)) throw error;
        why = error instanceof Error ? error.message : "";
      }
      const failure = work.failure();
      if (failure !== null) throw failure;
      if (outcome?.exitCode === 0 && work.done()) return;
      // A program that is ended from outside can show the same code, but has moved something by then.
      const noProgram = outcome !== null && NO_PROGRAM.includes(outcome.exitCode) && work.moved() === 0;
      if (noProgram && useScript) {
        throw new AppError(
          "unprocessable",
          "host.no-downloader",
          `${doing}: the host has no curl.exe that can do it, nor a PowerShell that runs. ${why}`,
          {
            hint: "Windows Server 2022 and later bring curl.exe along; on older ones a current curl.exe in the PATH will do.",
          },
        );
      }
      if (outcome !== null && !useScript) {
        // A line that is cut while TLS is set up ends with 35 as well: then curl has moved something before.
        const untrusting = NO_TRUST.includes(outcome.exitCode) && work.moved() === 0;
        if (untrusting) distrust = why;
        if (noProgram) this.#canCurl = false;
        useScript = untrusting || TOO_OLD.includes(outcome.exitCode) || (await this.#useScript(signal));
        if (useScript) continue;
      }
      if (outcome?.exitCode === NO_SPACE) {
        throw new AppError("unprocessable", "pool.full", `${doing}: the host cannot write the file. ${why}`, {
          hint: "Free space on the drive, or choose another one.",
        });
      }
      idle = work.moved() > before ? 0 : idle + 1;
      if (idle === ATTEMPTS_WITHOUT_PROGRESS) {
        throw new AppError("unavailable", "host.transfer-failed", `${doing} failed: ${why}`, {
          hint: [
            "The host must be able to connect to this console: check the firewall, SUPRAVISOR_TRANSFER_PORTS, and the",
            "address in the host's connection.",
            ...(distrust === null ? [] : [`Its curl.exe did not accept the console's certificate: ${distrust}`]),
          ].join(" "),
        });
      }
      await pause(RETRY_MS * 2 ** idle, signal);
    }
  }

  /** The host fetches the file, and shows by its SHA-256 that it has it. Throws `verify.mismatch` and what `read` throws. */
  async fetch(path: string, file: OutgoingFile, signal: AbortSignal): Promise<void> {
    const folder = path.slice(0, path.lastIndexOf("\\"));
    const partial = `${path}${PARTIAL}`;
    // What an earlier attempt left goes: what is hashed here begins at the beginning.
    const first = [command.makeFolder(folder), command.remove([partial])];
    const hashed = new HashedFile(file);
    await using host = await this.#listen();
    const address = host.offer(hashed, signal);
    try {
      const { transfer, script } = await this.#open(path, address, host.certificate, first, signal);
      await this.#persist(
        {
          doing: `Sending ${path}`,
          commandLine: (useScript) =>
            useScript ? powershell(fetchScript({ ...script, path: partial })) : command.fetchFile(transfer, partial),
          moved: () => hashed.passed,
          done: () => hashed.passed === file.length,
          failure: () => hashed.failure,
        },
        signal,
      );
      const found = await this.#files.hash(partial, signal);
      const sent = hashed.digest();
      if (found !== sent) {
        throw new AppError("unprocessable", "verify.mismatch", `What arrived as ${path} is not what was sent.`, {
          hint: "Check the host's storage, and what stands between it and this console.",
          details: { expected: sent, found },
        });
      }
      await this.#files.rename(partial, path, signal);
    } finally {
      address.close();
      await this.#close(path);
    }
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
      await this.#close(keys);
    };
    try {
      const { transfer, script } = await this.#open(keys, address, host.certificate, [], both);
      sending = this.#persist(
        {
          doing: `Reading ${path}`,
          commandLine: (useScript) =>
            useScript
              ? powershell(sendScript({ ...script, path }, incoming.received))
              : command.sendFile(transfer, path, incoming.received),
          moved: () => incoming.received,
          done: () => incoming.complete,
          failure: () => null,
        },
        both,
      ).catch((error: unknown) => incoming.fail(signal?.aborted === true ? signal.reason : error));
      return { bytes: incoming.bytes(), [Symbol.asyncDispose]: close };
    } catch (error) {
      await close();
      throw error;
    }
  }
}
