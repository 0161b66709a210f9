/** A file whose head tells what only its end knows: pieces that say where they go, for a target that can go back. */
import { AppError } from "#lib/errors.ts";
import type { ByteSink } from "./io.ts";

export interface PlacedBytes {
  /** Offset in the file. */
  readonly at: number;
  /** Hold until the piece after the next one is asked for. */
  readonly bytes: Uint8Array;
}

/** Throws `sink.forward-only` (unprocessable) for a target that takes bytes only in order. `label` is the format's. */
export function requireSeekable(sink: ByteSink, label: string): void {
  if (sink.seekable) return;
  throw new AppError(
    "unprocessable",
    "sink.forward-only",
    `A compressed ${label} cannot be sent while it is made: its head tells where its tables are, and only its end knows.`,
    { hint: "Write it to a file, or choose compression=none or a streamOptimized VMDK." },
  );
}

export interface WritePlacedOptions {
  readonly pieces: AsyncIterable<PlacedBytes>;
  readonly sink: ByteSink;
  readonly signal?: AbortSignal;
  /** Bytes that went into the sink so far. */
  readonly onBytes?: (moved: number) => void;
}

/** Does not commit. The next piece is made while one is written; the file is as long as its farthest piece reaches. */
export async function writePlaced(options: WritePlacedOptions): Promise<{ fileLength: number; moved: number }> {
  const { pieces, sink, signal, onBytes } = options;
  let fileLength = 0;
  let moved = 0;
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const { at, bytes } of pieces) {
      signal?.throwIfAborted();
      await writing;
      writing = sink.write(at, bytes, signal);
      writing.catch(() => undefined);
      fileLength = Math.max(fileLength, at + bytes.length);
      moved += bytes.length;
      onBytes?.(moved);
    }
    await writing;
    return { fileLength, moved };
  } finally {
    await Promise.allSettled([writing]);
  }
}
