/** The ways an image can be wrong, each with one wording and the byte offset for whoever looks into the file. */
import { AppError, type ErrorDetails } from "#lib/errors.ts";

const COPY_AGAIN = "Compare its length and checksum with the original and copy it again.";

/** The file ends before something that its own tables point to. */
export function truncated(name: string, offset: number, what: string, more: ErrorDetails = {}): AppError {
  return new AppError("unprocessable", "image.truncated", `${name} is cut off: ${what}.`, {
    hint: COPY_AGAIN,
    details: { file: name, offset, ...more },
  });
}

/** A number in a header or table that no image can have. */
export function insane(name: string, offset: number, what: string, more: ErrorDetails = {}): AppError {
  return new AppError("unprocessable", "image.header-insane", `${name} is damaged: ${what}.`, {
    hint: COPY_AGAIN,
    details: { file: name, offset, ...more },
  });
}

/** Two structures claim the same bytes. */
export function overlap(name: string, offset: number, what: string): AppError {
  return new AppError("unprocessable", "image.overlap", `${name} is damaged: ${what}.`, {
    hint: COPY_AGAIN,
    details: { file: name, offset },
  });
}

/** Bytes that are there but wrong: checksum, compression, marker. */
export function corrupt(name: string, offset: number, what: string, cause?: unknown): AppError {
  return new AppError("unprocessable", "image.corrupt", `${name} is damaged: ${what}.`, {
    hint: COPY_AGAIN,
    details: { file: name, offset },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A healthy image of a kind that cannot stand alone or is not read. `code` begins with `image.`. */
export function refused(name: string, offset: number, code: string, what: string, hint: string): AppError {
  return new AppError("unprocessable", code, `${name} ${what}.`, { hint, details: { file: name, offset } });
}

/** The disk is larger than the format can say. Bytes. */
export function tooLarge(label: string, size: number, limit: number): AppError {
  return new AppError(
    "unprocessable",
    "image.too-large-for-format",
    `The disk has ${size} bytes; ${label} ends at ${limit} bytes.`,
    { hint: "Choose a format that holds larger disks.", details: { size, limit } },
  );
}
