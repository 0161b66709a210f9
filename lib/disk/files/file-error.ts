/** What the operating system refused, in the product's words. */
import { AppError } from "#lib/errors.ts";

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** What becomes of a file that is not finished: it is removed, kept for the next attempt, or not ours to remove. */
type Leftover = "nothing" | "all" | "torn";

const AFTER_NO_SPACE = {
  nothing: "Free some space or choose another place; nothing of the unfinished file is left.",
  all: "Free some space and begin again: what was written is kept, and it goes on from there.",
  torn: "Free some space or choose another place; what was sent so far is no whole file.",
} as const satisfies Record<Leftover, string>;

/** `doing` begins the sentence: `Reading /x/y.vmdk`. Codes: io.not-found, io.denied, io.not-a-file, io.exists, io.no-space, io.failed. */
export function fileError(error: unknown, doing: string, left: Leftover = "nothing"): AppError {
  if (error instanceof AppError) return error;
  const code = codeOf(error);
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new AppError("not-found", "io.not-found", `${doing} failed: there is no such file.`, { cause: error });
    case "EACCES":
    case "EPERM":
      return new AppError("forbidden", "io.denied", `${doing} failed: permission denied.`, {
        cause: error,
        hint: "Give the account that runs Supravisor access to it.",
      });
    case "ELOOP":
      return new AppError("invalid", "io.not-a-file", `${doing} failed: it is a link, or a loop of links.`, {
        cause: error,
        hint: "Name the file itself.",
      });
    case "ENXIO":
      // A socket, or a device that is not there.
      return new AppError("invalid", "io.not-a-file", `${doing} failed: it is neither a file nor a disk.`, {
        cause: error,
        hint: "Name the image file itself.",
      });
    case "EROFS":
      return new AppError("forbidden", "io.denied", `${doing} failed: the file system is read-only.`, { cause: error });
    case "EEXIST":
      return new AppError("conflict", "io.exists", `${doing} failed: a file of that name exists.`, {
        cause: error,
        hint: "Choose another name, or say that it may be replaced.",
      });
    case "ENOSPC":
    case "EDQUOT":
      return new AppError("unprocessable", "io.no-space", `${doing} failed: no space is left there.`, {
        cause: error,
        hint: AFTER_NO_SPACE[left],
      });
    case "EPIPE":
      return new AppError("unavailable", "io.reader-gone", `${doing} failed: whoever was reading has gone.`, {
        cause: error,
      });
    case "EFBIG":
      return new AppError("unprocessable", "io.too-large", `${doing} failed: the file system holds no file so large.`, {
        cause: error,
      });
    default:
      return new AppError("unavailable", "io.failed", `${doing} failed: ${code || "unknown reason"}.`, {
        cause: error,
      });
  }
}

export const isCode = (error: unknown, ...codes: readonly string[]): boolean => codes.includes(codeOf(error));
