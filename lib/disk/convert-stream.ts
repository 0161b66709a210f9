/** A disk that passes by once into a file of any format: directly where the target can take it as it comes. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { DiskAppender } from "./append-disk.ts";
import { checkedPieces } from "./checked-stream.ts";
import { convertDisk, type Conversion, type PairTarget, parseOptions } from "./convert.ts";
import type { DiskPiece, DiskStream } from "./disk-stream.ts";
import { createSpool, type Spool, type SpoolPlace } from "./files/spool.ts";
import { AnyOrderFingerprinter } from "./fingerprint-any-order.ts";
import { Fingerprinter } from "./fingerprint.ts";
import type { BlockLayout } from "./block-layout.ts";
import type { BlockSource } from "./block-source.ts";
import type { DiskFormat } from "./format.ts";
import type { ByteSink } from "./io.ts";
import { PassingDisk } from "./passing-disk.ts";
import { requireSeekable, writePlaced } from "./placed.ts";
import { preallocate } from "./preallocation.ts";
import { formatOf } from "./registry.ts";
import { spoolStream } from "./spool-stream.ts";
import { streamRoute } from "./stream-route.ts";
import { type TransferProgress, writeStream } from "./write-plan.ts";

export interface ConvertStreamOptions {
  /** Stays the caller's to dispose. */
  readonly stream: DiskStream;
  readonly to: DiskFormatId;
  /** Options of the target format, by qemu-img's names. */
  readonly options?: Record<string, unknown>;
  readonly sink: ByteSink;
  /** For variants of two files, which are written from a spool file. */
  readonly pair?: PairTarget;
  /** Where a spool file may lie. Without it, what needs one throws `stream.needs-spool`. */
  readonly spool?: SpoolPlace;
  /** Told once, when the disk turns out to need a spool file: why, in words for a person. */
  readonly onSpool?: (reason: string) => void;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
}

export interface StreamConversion extends Conversion {
  /** Why a spool file was needed; null when none was. */
  readonly spooled: string | null;
}

/** Writes and commits the sink. Throws `options.invalid`, `stream.*`, and what source, format, sink and spool throw. */
export async function convertStream(request: ConvertStreamOptions): Promise<StreamConversion> {
  const { stream, sink } = request;
  const format = formatOf(request.to);
  const options = parseOptions(format, request.options ?? {});
  const route = streamRoute(format, options, stream, sink.seekable);
  if (route.way === "append") return append(request, route.layout);
  const packs = route.way === "pack" || route.packs;
  if (packs && format.stream === undefined) requireSeekable(sink, format.label);
  return route.way === "pack" ? compress(request, format, options) : throughSpool(request, route.reason);
}

async function append(request: ConvertStreamOptions, layout: BlockLayout): Promise<StreamConversion> {
  const { stream, sink, signal } = request;
  await using watch = new Watch(request);
  await preallocate(sink, layout.preallocation, signal);
  const appender = new DiskAppender(layout, stream.size, sink, signal);
  await appender.begin();
  for await (const { offset, bytes } of checkedPieces(stream, signal)) {
    // Both, even after a failure: nobody may still use the piece, or a file, when this returns.
    const results = await Promise.allSettled([appender.take(offset, bytes), watch.data(offset, bytes)]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
    watch.report(offset + bytes.length, bytes.length, appender.moved);
  }
  const fileLength = await appender.finish();
  const fingerprint = await watch.finish();
  await sink.commit(fileLength, signal);
  watch.report(stream.size, stream.size, appender.moved);
  return { fileLength, fingerprint, moved: appender.moved, spooled: watch.spooled };
}

async function compress(
  request: ConvertStreamOptions,
  format: DiskFormat,
  options: unknown,
): Promise<StreamConversion> {
  const { stream, sink, signal } = request;
  await using watch = new Watch(request);
  let moved = 0;
  const pieces = async function* (stop?: AbortSignal): AsyncIterable<DiskPiece> {
    for await (const piece of checkedPieces(stream, stop)) {
      await watch.data(piece.offset, piece.bytes);
      yield piece;
      watch.report(piece.offset + piece.bytes.length, piece.bytes.length, moved);
    }
  };
  await using disk = new PassingDisk(stream.size, pieces);
  const more = { sink, ...(signal === undefined ? {} : { signal }), onBytes: (bytes: number) => void (moved = bytes) };
  const written =
    format.stream !== undefined
      ? await writeStream({ stream: format.stream(disk, options, signal), ...more })
      : await writePlaced({ pieces: placed(format, disk, options, signal), ...more });
  const fingerprint = await watch.finish();
  await sink.commit(written.fileLength, signal);
  watch.report(stream.size, stream.size, moved);
  return { ...written, fingerprint, spooled: watch.spooled };
}

function placed(format: DiskFormat, disk: BlockSource, options: unknown, signal: AbortSignal | undefined) {
  if (format.place !== undefined) return format.place(disk, options, signal);
  throw new AppError("invalid", "options.invalid", `${format.label} cannot be written that way.`);
}

/** The whole disk into a sparse file, and from there as any other disk. */
async function throughSpool(request: ConvertStreamOptions, reason: string): Promise<StreamConversion> {
  const { stream, to, sink, signal, onProgress } = request;
  const place = placeOf(request.spool, reason);
  request.onSpool?.(reason);
  // Both passes are the disk's size: progress goes on from one to the other.
  const total = 2 * stream.size;
  await using disk = await spoolStream(stream, place, {
    ...(signal === undefined ? {} : { signal }),
    onProgress: ({ done, moved }) => onProgress?.({ done, total, moved }),
  });
  const outcome = await convertDisk({
    disk,
    to,
    sink,
    ...(request.options === undefined ? {} : { options: request.options }),
    ...(request.pair === undefined ? {} : { pair: request.pair }),
    ...(signal === undefined ? {} : { signal }),
    onProgress: (now) => onProgress?.({ done: stream.size + now.done, total, moved: disk.moved + now.moved }),
  });
  return { ...outcome, spooled: reason };
}

function placeOf(place: SpoolPlace | undefined, reason: string): SpoolPlace {
  if (place !== undefined) return place;
  throw new AppError("unprocessable", "stream.needs-spool", `The disk must be kept on disk meanwhile: ${reason}.`, {
    hint: "Write to a file first, or choose raw or a compressed format.",
  });
}

/** What sees every piece: the fingerprint and the progress. */
class Watch implements AsyncDisposable {
  readonly #request: ConvertStreamOptions;
  readonly #inOrder: Fingerprinter | null;
  readonly #anyOrder: AnyOrderFingerprinter;
  #spool: Spool | null = null;
  #passed = 0;
  spooled: string | null = null;

  constructor(request: ConvertStreamOptions) {
    const { stream } = request;
    this.#request = request;
    this.#inOrder = stream.order === "forward" ? new Fingerprinter(stream.size) : null;
    this.#anyOrder = new AnyOrderFingerprinter(stream.size, () => this.#scratch());
  }

  async #scratch(): Promise<Spool> {
    if (this.#spool !== null) return this.#spool;
    const reason = "the source sends the disk in pieces too scattered for its fingerprint to be kept in memory";
    this.#spool = await createSpool(placeOf(this.#request.spool, reason));
    this.spooled = reason;
    this.#request.onSpool?.(reason);
    return this.#spool;
  }

  async data(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#inOrder === null) return this.#anyOrder.data(offset, bytes);
    this.#inOrder.zeros(offset - this.#inOrder.position);
    this.#inOrder.data(bytes);
  }

  report(end: number, length: number, moved: number): void {
    const { stream, onProgress } = this.#request;
    this.#passed = this.#inOrder === null ? Math.min(stream.size, this.#passed + length) : end;
    onProgress?.({ done: this.#passed, total: stream.size, moved });
  }

  finish(): Promise<string> {
    return this.#inOrder === null ? this.#anyOrder.finish() : Promise.resolve(this.#inOrder.finish());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool?.[Symbol.asyncDispose]();
  }
}
