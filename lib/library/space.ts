import { isCode } from "#lib/disk/files/file-error.ts";
import { AppError } from "#lib/errors.ts";
import { formatBytes } from "#lib/format/bytes.ts";

/** Left free for the database and the logs, which lie on the same disk more often than not. Bytes. */
export const RESERVE = 256 * 1024 * 1024;

/** Throws `library.full` when `wanted` more bytes would not fit. */
export function requireSpace(what: string, wanted: number, free: number): void {
  if (wanted + RESERVE <= free) return;
  throw new AppError(
    "unprocessable",
    "library.full",
    `${what} needs ${formatBytes(wanted)}, and the library has ${formatBytes(Math.max(0, free - RESERVE))} left.`,
    { hint: "Remove versions that nobody needs, or give the data folder a larger disk.", details: { wanted, free } },
  );
}

/** `library.full` when the disk of the library had no room, however deep that is in the error; else null. */
export function fullOr(error: unknown): AppError | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof AppError && at.code === "library.full") return at;
    if (!isCode(at, "ENOSPC", "EDQUOT", "io.no-space")) continue;
    return new AppError("unprocessable", "library.full", "The disk of the library is full.", {
      hint: "Remove versions that nobody needs, or give the data folder a larger disk; then try again.",
      cause: error,
    });
  }
  return null;
}
