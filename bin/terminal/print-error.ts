import { AppError, errorToJson } from "#lib/errors.ts";

/** Thrown for words that the command line cannot make sense of; ends with exit code 2. */
export class UsageError extends Error {}

/** Says what failed and what to do on stderr (JSON on request) and answers with the exit code. */
export function printError(error: unknown, json: boolean): number {
  if (error instanceof UsageError) {
    process.stderr.write(`supravisor: ${error.message}\n`);
    return 2;
  }
  const shown = errorToJson(error);
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: shown })}\n`);
  } else {
    // On one's own terminal the unexpected error's own words help; there is no server log to look into.
    const message = error instanceof AppError || !(error instanceof Error) ? shown.message : error.message;
    process.stderr.write(`supravisor: ${message} [${shown.code}]\n`);
    if (error instanceof AppError && error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`);
  }
  return 1;
}
