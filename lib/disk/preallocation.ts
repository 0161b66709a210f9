/** Space of a target that is set aside before its first byte is written. */
import { AppError } from "#lib/errors.ts";
import type { ByteSink } from "./io.ts";

export interface Preallocation {
  /** qemu-img's words. `falloc`: the file system promises the space; `full`: zeros are written to all of it. */
  readonly how: "falloc" | "full";
  /** Bytes, from the file's start. */
  readonly length: number;
}

/** Throws `sink.no-preallocation` (unprocessable) for a target that is no file here, and what the sink throws. */
export async function preallocate(
  sink: ByteSink,
  wanted: Preallocation | undefined,
  signal?: AbortSignal,
): Promise<void> {
  if (wanted === undefined) return;
  if (sink.allocate === undefined) {
    throw new AppError("unprocessable", "sink.no-preallocation", "Space cannot be set aside for this target.", {
      hint: "Choose preallocation=off.",
    });
  }
  await sink.allocate(wanted, signal);
}
