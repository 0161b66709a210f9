/** One disk into one file of another format, in one pass: each byte is read once, written and fingerprinted. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "./block-source.ts";
import { copyPlan, lendsFile } from "./copy/copy-plan.ts";
import { LeafDigests } from "./copy/leaf-digests.ts";
import { FingerprintFeed } from "./fingerprint-feed.ts";
import type { DiskFormat } from "./format.ts";
import type { ByteSink } from "./io.ts";
import { type PlacedBytes, requireSeekable, writePlaced } from "./placed.ts";
import type { FilePair, FilePlan } from "./plan.ts";
import { preallocate } from "./preallocation.ts";
import { formatOf } from "./registry.ts";
import { writePlan, writeStream, type TransferProgress } from "./write-plan.ts";

export interface ConvertDiskOptions {
  readonly disk: BlockSource;
  readonly to: DiskFormatId;
  /** Options of the target format, by qemu-img's names. */
  readonly options?: Record<string, unknown>;
  readonly sink: ByteSink;
  /** For variants of two files: what the file of the sink will be called, and how the one beside it is made. */
  readonly pair?: PairTarget;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** The last word before the file gets its name: throws when what was read cannot be trusted. */
  readonly beforeCommit?: (signal?: AbortSignal) => Promise<void>;
}

export interface PairTarget {
  readonly fileName: string;
  /** The file gets its name with the sink's own: committing it only says how long it is. */
  beside(name: string): Promise<ByteSink>;
}

export interface Conversion {
  /** Of all files that were made. */
  readonly fileLength: number;
  /** Of the source disk: `sv1:…`. */
  readonly fingerprint: string;
  /** Bytes that went into the sink. */
  readonly moved: number;
}

/** Writes and commits the sink. Throws `options.invalid`, and what the disk, the format and the sink throw. */
export async function convertDisk(request: ConvertDiskOptions): Promise<Conversion> {
  const { fileLength, moved, fingerprint } = await carryOut(request, true);
  if (fingerprint === null) throw new AppError("internal", "fingerprint.missing", "The disk was not fingerprinted.");
  return { fileLength, fingerprint, moved };
}

/** The same, without the hashing: that is more than half of the work of a plain copy. */
export async function convertWithoutFingerprint(request: ConvertDiskOptions): Promise<Omit<Conversion, "fingerprint">> {
  const { fileLength, moved } = await carryOut(request, false);
  return { fileLength, moved };
}

type Outcome = Omit<Conversion, "fingerprint"> & { readonly fingerprint: string | null };

async function carryOut(request: ConvertDiskOptions, print: boolean): Promise<Outcome> {
  const { disk, signal } = request;
  const pair = await planPair(request);
  if (pair !== null) return twoFiles(request, pair, print);
  return oneFile(request, await layOut(disk, request.to, request.options ?? {}, signal), print);
}

async function planPair({ disk, to, options, pair, signal }: ConvertDiskOptions): Promise<FilePair | null> {
  const format = formatOf(to);
  if (pair === undefined || format.planPair === undefined) return null;
  return format.planPair(disk, parseOptions(format, options ?? {}), pair.fileName, signal);
}

/** The data first: whoever finds the main file under its name finds all of it. */
async function twoFiles(request: ConvertDiskOptions, { main, data, dataName }: FilePair, print: boolean) {
  const { disk, sink, signal, pair } = request;
  if (pair === undefined) throw new RangeError("a pair was planned for one file");
  await using beside = await pair.beside(dataName);
  const written = await oneFile({ ...request, sink: beside }, { plan: data }, print);
  await writePlan({ plan: main, disk, sink, ...(signal === undefined ? {} : { signal }) });
  await sink.commit(main.length, signal);
  return { ...written, fileLength: written.fileLength + main.length };
}

async function oneFile(
  request: ConvertDiskOptions,
  target: { plan: FilePlan } | Packed,
  print: boolean,
): Promise<Outcome> {
  const { disk, sink, signal, onProgress } = request;
  const more = { ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }) };
  if ("plan" in target) await preallocate(sink, target.plan.preallocation, signal);
  if ("plan" in target && lendsFile(sink)) {
    const { plan } = target;
    const ownBlocks = plan.preallocation !== undefined;
    const copied = await copyPlan({ plan, disk, sink, fingerprint: print, ownBlocks, ...more });
    await request.beforeCommit?.(signal);
    await sink.commit(plan.length, signal);
    return { fileLength: plan.length, ...copied };
  }
  if (!("plan" in target)) {
    const digests = print ? new LeafDigests() : undefined;
    const { fileLength, moved } = await packed(target, request, digests);
    await request.beforeCommit?.(signal);
    await sink.commit(fileLength, signal);
    return { fileLength, moved, fingerprint: digests?.finish(disk.size) ?? null };
  }
  const { plan } = target;
  await using feed = print ? new FingerprintFeed(disk, signal) : null;
  const { moved } = await writePlan({
    plan,
    disk,
    sink,
    ...(feed === null ? {} : { onDiskBytes: (offset, bytes) => feed.take(offset, bytes) }),
    ...more,
  });
  const fingerprint = feed === null ? null : await feed.finish();
  await request.beforeCommit?.(signal);
  await sink.commit(plan.length, signal);
  return { fileLength: plan.length, fingerprint, moved };
}

/** Compressed targets: forward to any sink, or to one that can go back. */
type Packed =
  | { readonly stream: (disk: BlockSource, digests?: LeafDigests) => AsyncIterable<Uint8Array> }
  | {
      readonly label: string;
      readonly place: (disk: BlockSource, digests?: LeafDigests) => AsyncIterable<PlacedBytes>;
    };

async function packed(target: Packed, request: ConvertDiskOptions, digests: LeafDigests | undefined) {
  const { disk, sink, signal, onProgress } = request;
  const total = disk.size;
  let done = 0;
  let moved = 0;
  const watched: BlockSource = {
    size: disk.size,
    read: (offset, into, stop) => disk.read(offset, into, stop),
    ...(disk.locate === undefined ? {} : { locate: disk.locate.bind(disk) }),
    // Whoever opened the disk closes it.
    [Symbol.asyncDispose]: async () => undefined,
    async *extents(stop) {
      for await (const extent of disk.extents(stop)) {
        yield extent;
        // Asked for the next one: whatever this one holds has been asked for.
        done = extent.offset + extent.length;
        onProgress?.({ done, total, moved });
      }
    },
  };
  const more = {
    sink,
    ...(signal === undefined ? {} : { signal }),
    onBytes: (bytes: number) => {
      moved = bytes;
      onProgress?.({ done, total, moved });
    },
  };
  if ("place" in target) requireSeekable(sink, target.label);
  const written =
    "place" in target
      ? await writePlaced({ pieces: target.place(watched, digests), ...more })
      : await writeStream({ stream: target.stream(watched, digests), ...more });
  onProgress?.({ done: total, total, moved });
  return written;
}

/** What a conversion will take, before anything is written. `fileLength` is null where only the end tells it. */
export async function planConversion(
  disk: BlockSource,
  to: DiskFormatId,
  options: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<{ fileLength: number | null; bytesToMove: number }> {
  const target = await layOut(disk, to, options, signal);
  let bytesToMove = 0;
  for await (const extent of disk.extents(signal)) if (extent.kind === "data") bytesToMove += extent.length;
  return { fileLength: "plan" in target ? target.plan.length : null, bytesToMove };
}

async function layOut(
  disk: BlockSource,
  to: DiskFormatId,
  given: Record<string, unknown>,
  signal: AbortSignal | undefined,
): Promise<{ plan: FilePlan } | Packed> {
  const format = formatOf(to);
  const options = parseOptions(format, given);
  if (format.plan !== undefined) {
    try {
      return { plan: await format.plan(disk, options, signal) };
    } catch (error) {
      // Compressed subformats have no length before their end.
      if (!(error instanceof AppError && error.code === "image.not-plannable")) throw error;
    }
  }
  if (format.place !== undefined) {
    const place = format.place.bind(format);
    return { label: format.label, place: (source, digests) => place(source, options, signal, digests) };
  }
  if (format.stream === undefined) {
    throw new AppError("invalid", "options.invalid", `${format.label} cannot be written that way.`);
  }
  const stream = format.stream.bind(format);
  return { stream: (source, digests) => stream(source, options, signal, digests) };
}

/** Throws `options.invalid` (invalid) with the first thing that is wrong. */
export function parseOptions(format: DiskFormat, given: Record<string, unknown>): unknown {
  const parsed = format.options.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "" : ` ${issue.path.join(".")}`;
  throw new AppError(
    "invalid",
    "options.invalid",
    `${format.label} does not take this option${where}: ${issue?.message ?? "invalid"}.`,
  );
}
