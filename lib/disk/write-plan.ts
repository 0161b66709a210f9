/** Carries out a plan: reads ahead, writes in order, leaves zeros out. */
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "./block-source.ts";
import type { ByteSink } from "./io.ts";
import type { FilePlan } from "./plan.ts";
import { CHUNK_BYTES, planChunks, SHORTEST_GAP, type Chunk } from "./plan-chunks.ts";
import { dataParts, isZero } from "./zeros.ts";

/** Chunks being read while one is written. */
const READ_AHEAD = 3;

export interface TransferProgress {
  /** Bytes of the disk that are settled, zeros included. */
  readonly done: number;
  /** Bytes of the disk. */
  readonly total: number;
  /** Bytes that went into the sink. */
  readonly moved: number;
}

export interface WritePlanOptions {
  readonly plan: FilePlan;
  readonly disk: BlockSource;
  readonly sink: ByteSink;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Sees every byte that was read, in the plan's order. The buffer is used again once the answer is there. */
  readonly onDiskBytes?: (offset: number, bytes: Uint8Array) => Promise<void> | void;
}

interface Filled {
  readonly chunk: Chunk;
  readonly buffer: Buffer;
  readonly ready: Promise<void>;
}

/** Writes all of the plan but does not commit. Answers the bytes that went into the sink. */
export async function writePlan(options: WritePlanOptions): Promise<{ moved: number }> {
  const { plan, disk, sink, signal, onProgress, onDiskBytes } = options;
  const free: Buffer[] = [];
  const window: Filled[] = [];
  let writing: Promise<void> = Promise.resolve();
  let moved = 0;
  let done = 0;

  const write = async ({ chunk, buffer }: Filled) => {
    const bytes = buffer.subarray(0, chunk.length);
    // A forward-only sink sends zeros in a gap as well, so only whole chunks of them are worth a gap.
    const parts = sink.seekable
      ? dataParts(bytes, chunk.at, SHORTEST_GAP)
      : isZero(bytes)
        ? []
        : [[0, bytes.length] as const];
    for (const [start, end] of parts) {
      await sink.write(chunk.at + start, bytes.subarray(start, end), signal);
      moved += end - start;
    }
    free.push(buffer);
    for (const part of chunk.parts) if (part.kind === "disk") done = Math.max(done, part.offset + part.length);
    onProgress?.({ done, total: disk.size, moved });
  };

  const takeOne = async () => {
    const next = window.shift();
    if (next === undefined) return;
    await next.ready;
    if (onDiskBytes !== undefined) {
      for (const part of next.chunk.parts) {
        if (part.kind === "disk")
          await onDiskBytes(part.offset, next.buffer.subarray(part.pos, part.pos + part.length));
      }
    }
    await writing;
    writing = write(next);
    writing.catch(() => undefined);
  };

  try {
    for (const chunk of planChunks(plan)) {
      signal?.throwIfAborted();
      if (window.length >= READ_AHEAD) await takeOne();
      const buffer = free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const ready = fillChunk(chunk, buffer, disk, signal);
      ready.catch(() => undefined);
      window.push({ chunk, buffer, ready });
    }
    while (window.length > 0) await takeOne();
    await writing;
    onProgress?.({ done: disk.size, total: disk.size, moved });
    return { moved };
  } finally {
    // Nothing may still read from the disk or write to the sink when this returns.
    await Promise.allSettled([writing, ...window.map((entry) => entry.ready)]);
  }
}

/** The chunk's bytes into a buffer of CHUNK_BYTES. */
export async function fillChunk(
  chunk: Chunk,
  buffer: Buffer,
  disk: BlockSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reads: Promise<void>[] = [];
  for (const part of chunk.parts) {
    const into = buffer.subarray(part.pos, part.pos + part.length);
    if (part.kind === "zero") into.fill(0);
    else if (part.kind === "meta") into.set(part.bytes().subarray(part.from, part.from + part.length));
    else {
      reads.push(disk.read(part.offset, into, signal));
    }
  }
  // All of them, even after a failure: the buffer is used again.
  for (const result of await Promise.allSettled(reads)) if (result.status === "rejected") throw result.reason;
}

export interface WriteStreamOptions {
  /** A buffer holds until the piece after the next one is asked for. */
  readonly stream: AsyncIterable<Uint8Array>;
  readonly sink: ByteSink;
  readonly signal?: AbortSignal;
  readonly onBytes?: (moved: number) => void;
}

/** Writes a file whose length shows only at its end; does not commit. The next piece is made while one is written. */
export async function writeStream(options: WriteStreamOptions): Promise<{ fileLength: number; moved: number }> {
  const { stream, sink, signal, onBytes } = options;
  let at = 0;
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const bytes of stream) {
      signal?.throwIfAborted();
      await writing;
      if (!Number.isSafeInteger(at + bytes.length)) {
        throw new AppError("unprocessable", "io.too-large", "The file would be larger than any file system holds.");
      }
      writing = sink.write(at, bytes, signal);
      writing.catch(() => undefined);
      at += bytes.length;
      onBytes?.(at);
    }
    await writing;
    return { fileLength: at, moved: at };
  } finally {
    await Promise.allSettled([writing]);
  }
}
