import type { ByteSink } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";

/** A full file system is a full pool to whoever deploys: throws `pool.full`. `pool` is for messages. */
export function sinkIntoPool(sink: ByteSink, pool: string): ByteSink {
  const named = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof AppError && error.code === "io.no-space")) throw error;
      throw new AppError("unprocessable", "pool.full", `No space is left in ${pool}.`, {
        hint: "Free some space there and try again; what was written is removed.",
        cause: error,
      });
    }
  };
  return {
    seekable: sink.seekable,
    write: (offset, bytes, signal) => named(sink.write(offset, bytes, signal)),
    commit: (length, signal) => named(sink.commit(length, signal)),
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}
