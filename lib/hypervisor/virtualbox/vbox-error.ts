/** What VBoxManage answered with, and how it is told to a person. */
import { AppError } from "#lib/errors.ts";

export class VBoxError extends Error {
  /** First sentence of its own words. */
  readonly said: string;
  /** `VBOX_E_OBJECT_NOT_FOUND`, `NS_ERROR_FAILURE`; empty when it names none. */
  readonly result: string;

  constructor(said: string, result: string) {
    super(said);
    this.name = "VBoxError";
    this.said = said;
    this.result = result;
  }
}

const MOST_WORDS = 400;
/** Characters of what it printed that are looked at, and of one line. */
const MOST_READ = 65_536;
const MOST_LINE = 2000;

/** Out of stderr, where progress (`0%...10%...`) and the place in VirtualBox's source stand beside the words. */
export function vboxError(stderr: string, stdout: string, code: number | null): VBoxError {
  const words = stderr.slice(0, MOST_READ);
  const printed = /VBoxManage(?:\.exe)?: error: /i.test(words) ? words : `${words}\n${stdout.slice(0, MOST_READ)}`;
  const lines = printed.split(/\r?\n/).map((line) => line.slice(0, MOST_LINE));
  const errors = lines.flatMap((line) => {
    const found = /VBoxManage(?:\.exe)?: error: (.*)$/i.exec(line);
    return found?.[1] === undefined ? [] : [found[1].trim()];
  });
  const said = errors.filter((line) => line !== "" && !/^(?:Details|Context): /.test(line));
  const details = errors.find((line) => line.startsWith("Details: ")) ?? "";
  const result = /code (\S+)/.exec(details)?.[1] ?? "";
  const plain = lines.find((line) => line.trim() !== "" && !/^\s*\d+%/.test(line))?.trim();
  const message = said.length > 0 ? said.join(" ") : (plain ?? `it ended with ${code ?? "a signal"} and no word why`);
  return new VBoxError(message.slice(0, MOST_WORDS), result);
}

export const isNotFound = (error: unknown): boolean =>
  error instanceof VBoxError &&
  (error.result === "VBOX_E_OBJECT_NOT_FOUND" ||
    /could not find a registered machine|could not find file for the medium/i.test(error.said));

/** VBoxSVC, which does all the work, did not answer or did not start. */
export const isServerAway = (error: unknown): boolean =>
  error instanceof VBoxError && /COM server is not running or failed to start/.test(error.said);

/** Somebody else holds the machine or the medium at this moment. */
export const isBusy = (error: unknown): boolean =>
  error instanceof VBoxError &&
  (error.result === "VBOX_E_INVALID_OBJECT_STATE" ||
    error.result === "VBOX_E_OBJECT_IN_USE" ||
    /already locked|is locked|being (?:un)?locked|lock request pending/i.test(error.said));

/** `doing` begins the sentence: `Starting web01`. Everything that is not VBoxManage's word passes as it is. */
export function asAppError(error: unknown, doing: string): unknown {
  if (!(error instanceof VBoxError)) return error;
  if (/VERR_DISK_FULL/.test(error.said))
    return new AppError("unprocessable", "pool.full", `${doing} failed: no space is left on the host.`, {
      hint: "Free some space in the host's machine folder and try again.",
      cause: error,
    });
  if (isServerAway(error))
    return new AppError(
      "unavailable",
      "host.unreachable",
      `${doing} failed: VirtualBox's server (VBoxSVC) does not start.`,
      {
        hint: "Look at VBoxSVC.log in VirtualBox's settings folder on that machine; ending a VBoxSVC that hangs helps.",
        cause: error,
      },
    );
  return new AppError("unprocessable", "host.refused", `${doing} failed. VirtualBox says: ${error.said}`, {
    cause: error,
    ...(error.result === "" ? {} : { details: { result: error.result } }),
  });
}
