/** A file that is cut while it is open: it still claims its size, and ends early. */
import { AppError } from "#lib/errors.ts";
import type { ByteSource } from "../io.ts";
import { replaceMethod } from "./replace-method.ts";

/** Reads beyond byte `end` throw `io.short-read`, as a file on disk does. */
export function shortReads<T extends ByteSource>(source: T, end: number): T {
  const read: ByteSource["read"] = async (at, into, signal) => {
    if (at + into.length > end) {
      throw new AppError(
        "unprocessable",
        "io.short-read",
        `The file ends at byte ${end}; byte ${at + into.length} was wanted.`,
        {
          details: { offset: at, size: end },
        },
      );
    }
    await source.read(at, into, signal);
  };
  return replaceMethod<ByteSource, "read">(source, "read", read) as T;
}
