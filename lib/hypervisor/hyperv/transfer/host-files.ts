/** Files on the host, by short commands in remote shells. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "#lib/errors.ts";
import { abortable } from "#lib/wire/abortable.ts";
import { asAppError, WsmanFault } from "#lib/wire/wsman/fault.ts";
import { type ProgramOutcome, runProgram, type ShellEnvironment } from "#lib/wire/wsman/remote-shell.ts";
import * as command from "./command-line.ts";
import type { HypervSession } from "../session.ts";

const SHORT_MS = 60_000;
/** Hashing 64 TB takes days, and the host says nothing meanwhile; whoever waits has a signal. */
const HASH_MS = 7 * 24 * 3600_000;
const ATTEMPTS = 5;
/** Twice as long each time. */
const RETRY_MS = 250;
/** What a file's transfer leaves beside it while it lasts: the unfinished file, and two small ones with what it needs. */
export const PARTIAL = ".part";
export const CERTIFICATE = ".transfer-ca";
export const HEADER = ".transfer-key";

export const pause = (milliseconds: number, signal: AbortSignal | undefined): Promise<void> =>
  abortable(delay(milliseconds), signal);

export const words = (outcome: ProgramOutcome): string =>
  (outcome.stderr.trim() || outcome.stdout.trim() || `exit code ${outcome.exitCode}`).slice(0, 400);

export function refused(doing: string, outcome: ProgramOutcome): AppError {
  return new AppError("unprocessable", "host.refused", `${doing} failed: ${words(outcome)}`);
}

const linesOf = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean);

/** What `command.list` printed names the file. */
export function lists(outcome: ProgramOutcome, path: string): boolean {
  const name = path.slice(path.lastIndexOf("\\") + 1).toLowerCase();
  return linesOf(outcome.stdout).some((line) => line.toLowerCase() === name);
}

/** The connection broke, or the shell went with a restart of WinRM: the same may be tried again. */
export const isCut = (error: unknown): boolean =>
  error instanceof AppError && (error.code === "host.unreachable" || error.code === "host.shell-lost");

export class HostFiles {
  readonly #session: HypervSession;

  constructor(session: HypervSession) {
    this.#session = session;
  }

  /**
   * In a shell of its own, on a connection of its own: control does not wait for it. Throws `host.shell-lost` when the
   * host forgot the shell meanwhile, `host.timeout`, and what a session throws.
   */
  async run(
    commandLine: string,
    doing: string,
    signal?: AbortSignal,
    milliseconds = SHORT_MS,
    environment?: ShellEnvironment,
  ): Promise<ProgramOutcome> {
    const timeout = AbortSignal.timeout(milliseconds);
    await using client = this.#session.another();
    try {
      const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      return await runProgram(client, commandLine, stop, { environment });
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.aborted)
        throw new AppError("unavailable", "host.timeout", `${doing} took too long.`, { cause: error });
      if (error instanceof WsmanFault && error.subcode === "InvalidSelectors")
        throw new AppError("unavailable", "host.shell-lost", `${doing} was cut off: WinRM was restarted.`, {
          hint: "Try again.",
          cause: error,
        });
      throw asAppError(error, doing);
    }
  }

  /** Of a command that may be run twice. */
  async repeat(
    commandLine: string,
    doing: string,
    signal?: AbortSignal,
    milliseconds?: number,
    environment?: ShellEnvironment,
  ): Promise<ProgramOutcome> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.run(commandLine, doing, signal, milliseconds, environment);
      } catch (error) {
        if (attempt === ATTEMPTS || !isCut(error)) throw error;
        await pause(RETRY_MS * 2 ** attempt, signal);
      }
    }
  }

  async exists(path: string, signal?: AbortSignal): Promise<boolean> {
    return (await this.#existing([path], signal)).length > 0;
  }

  /** Names, without their folder. */
  async #existing(paths: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
    return linesOf((await this.repeat(command.list(paths), `Looking for ${paths[0]}`, signal)).stdout);
  }

  /** The file, and what a transfer of it may have left. Gone already is fine. Throws `host.refused` when the host holds one. */
  async removeAll(path: string, signal?: AbortSignal): Promise<void> {
    const paths = ["", PARTIAL, CERTIFICATE, HEADER].map((suffix) => `${path}${suffix}`);
    for (let attempt = 1; ; attempt++) {
      await this.repeat(command.remove(paths), `Removing ${path}`, signal);
      const [left] = await this.#existing(paths, signal);
      if (left === undefined) return;
      if (attempt === ATTEMPTS) {
        throw new AppError("conflict", "host.refused", `${left} cannot be removed: something on the host holds it.`);
      }
      // A machine that was just removed lets go of its disks a moment later.
      await pause(RETRY_MS * 2 ** attempt, signal);
    }
  }

  /** SHA-256, 64 hex digits. */
  async hash(path: string, signal?: AbortSignal): Promise<string> {
    const doing = `Checking ${path}`;
    const outcome = await this.repeat(command.hashFile(path), doing, signal, HASH_MS);
    // Older releases write the digits in pairs.
    const hash = /^[ \t]*((?:[0-9a-f]{2} ?){32})[ \t\r]*$/im
      .exec(outcome.stdout)?.[1]
      ?.replaceAll(" ", "")
      .toLowerCase();
    if (outcome.exitCode !== 0 || hash === undefined) throw refused(doing, outcome);
    return hash;
  }

  /** Throws `host.refused`. */
  async rename(from: string, to: string, signal?: AbortSignal): Promise<void> {
    // Looked at rather than believed: exit codes of the shell's own commands can be 0 wrongly, and the answer to an
    // earlier attempt may have been lost.
    const line = command.inTurn(command.rename(from, to), command.list([to, from]));
    const outcome = await this.repeat(line, `Naming ${to}`, signal);
    if (lists(outcome, to) && !lists(outcome, from)) return;
    throw refused(`Naming ${to}`, outcome);
  }
}
