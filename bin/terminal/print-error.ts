import { AppError, errorToJson } from "#lib/errors.ts";
import { printJson, printLine } from "./output.ts";

/** Thrown for words that the command line cannot make sense of; ends with exit code 2. */
export class UsageError extends Error {}

/** Says what failed and what to do on stderr (JSON on request) and answers with the exit code. */
export function printError(error: unknown, json: boolean): number {
  if (error instanceof UsageError) {
    printLine(`supravisor: ${error.message}`, process.stderr);
    return 2;
  }
  const shown = errorToJson(error);
  if (json) {
    printJson({ error: shown }, process.stderr);
  } else {
    // On one's own terminal the unexpected error's own words help; there is no server log to look into.
    const message = error instanceof AppError || !(error instanceof Error) ? shown.message : error.message;
    printLine(`supravisor: ${message} [${shown.code}]`, process.stderr);
    if (error instanceof AppError && error.hint !== undefined) printLine(`  ${error.hint}`, process.stderr);
  }
  return 1;
}
