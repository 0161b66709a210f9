/** A conversion into a local file that another process can go on with where this one ends. */
import { createHash, type Hash } from "node:crypto";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../block-source.ts";
import { type Conversion, parseOptions } from "../convert.ts";
import { FingerprintFeed } from "../fingerprint-feed.ts";
import type { FilePlan } from "../plan.ts";
import { CHUNK_BYTES, type Chunk, planChunks, SHORTEST_GAP } from "../plan-chunks.ts";
import { formatOf } from "../registry.ts";
import { fillChunk, type TransferProgress } from "../write-plan.ts";
import { dataParts } from "../zeros.ts";
import { type Checkpoint, Journal, readJournal } from "./journal.ts";
import { PartFile } from "./part-file.ts";

/** Bytes of the file between two checkpoints: each waits for the medium. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024;

export interface ResumableOptions {
  /** At random access, the same each time: `identity` says whether it is. Stays the caller's. */
  readonly disk: BlockSource;
  /** Whatever changes when the source does: paths, sizes, times of its files. */
  readonly identity: string;
  readonly to: DiskFormatId;
  readonly options?: Record<string, unknown>;
  /** A path on this machine. */
  readonly target: string;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  readonly beforeCommit?: (signal?: AbortSignal) => Promise<void>;
  readonly checkpointBytes?: number;
}

export interface ResumedConversion extends Conversion {
  /** Bytes of the file that an earlier attempt had written and that were found whole. */
  readonly resumedAt: number;
}

/**
 * Nothing is ever under the target's name before it is whole; what is unfinished stays beside it as `.NAME.part` with
 * its journal. Of an earlier attempt, the bytes since its last checkpoint are read back first.
 * Throws `options.not-resumable` for compressed and two-file variants, `io.busy`, and what the disk and the file throw.
 */
export async function convertResumable(request: ResumableOptions): Promise<ResumedConversion> {
  const { disk, signal } = request;
  const plan = await planOf(request);
  const work = workOf(request, plan);
  await using part = await PartFile.open(request.target, request.overwrite ?? false);
  const kept = await verified(part, plan, await readJournal(part.journalPath, work), disk, signal);
  const last = kept.at(-1);
  const start = last?.at ?? 0;
  await part.cut(start);
  await using journal = await Journal.begin(part.journalPath, work, kept);
  await using feed = new FingerprintFeed(disk, signal, last?.fingerprint);
  const moved = (await rewriteMeta(part, plan, start)) + (await copy(request, { plan, part, journal, feed, start }));
  const fingerprint = await feed.finish();
  await request.beforeCommit?.(signal);
  signal?.throwIfAborted();
  await part.commit(plan.length);
  await journal.remove();
  request.onProgress?.({ done: disk.size, total: disk.size, moved });
  return { fileLength: plan.length, fingerprint, moved, resumedAt: start };
}

async function planOf({ disk, to, options, signal }: ResumableOptions): Promise<FilePlan> {
  const format = formatOf(to);
  try {
    if (format.plan !== undefined) return await format.plan(disk, parseOptions(format, options ?? {}), signal);
  } catch (error) {
    const code = error instanceof AppError ? error.code : "";
    if (code !== "image.not-plannable" && code !== "options.two-files") throw error;
  }
  throw new AppError("invalid", "options.not-resumable", `${format.label} with these options cannot be resumed.`, {
    hint: "Choose an uncompressed variant of one file, or convert without resuming.",
  });
}

/** The same work writes the same data to the same places: identifiers and times in the tables may differ. */
function workOf({ identity, to, options, disk }: ResumableOptions, plan: FilePlan): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([1, identity, to, options ?? {}, disk.size, plan.length]));
  for (const segment of plan.segments()) {
    hash.update(`${segment.kind} ${segment.at} ${segment.length} ${segment.kind === "disk" ? segment.offset : ""}\n`);
  }
  return hash.digest("hex");
}

/** The checkpoints up to the last one whose bytes are there. */
async function verified(
  part: PartFile,
  plan: FilePlan,
  checkpoints: Checkpoint[],
  disk: BlockSource,
  signal: AbortSignal | undefined,
): Promise<Checkpoint[]> {
  const kept = checkpoints.filter(({ fingerprint }) => fingerprint.leaves * 1024 * 1024 <= disk.size + 1024 * 1024);
  for (let last = kept.at(-1); last !== undefined; last = kept.at(-1)) {
    const hash = createHash("sha256");
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let whole = true;
    for (const chunk of planChunks(plan)) {
      if (chunk.at < last.from) continue;
      if (chunk.at >= last.at) break;
      signal?.throwIfAborted();
      const bytes = buffer.subarray(0, chunk.length);
      whole = await part.read(chunk.at, bytes);
      if (!whole) break;
      hashData(hash, chunk, bytes);
    }
    if (whole && hash.digest("hex") === last.sha256) return kept;
    kept.pop();
  }
  return kept;
}

/** Without the tables, which are written anew each time. */
function hashData(hash: Hash, chunk: Chunk, bytes: Buffer): void {
  for (const { kind, pos, length } of chunk.parts) if (kind !== "meta") hash.update(bytes.subarray(pos, pos + length));
}

/** Tables before `end` once more, so that all of the file speaks of one identity. */
async function rewriteMeta(part: PartFile, plan: FilePlan, end: number): Promise<number> {
  let moved = 0;
  if (end === 0) return 0;
  for (const segment of plan.segments(0, end)) {
    if (segment.kind !== "meta") continue;
    await part.write(segment.at, segment.bytes());
    moved += segment.length;
  }
  return moved;
}

interface Copy {
  readonly plan: FilePlan;
  readonly part: PartFile;
  readonly journal: Journal;
  readonly feed: FingerprintFeed;
  readonly start: number;
}

async function copy(request: ResumableOptions, { plan, part, journal, feed, start }: Copy): Promise<number> {
  const { disk, signal, onProgress } = request;
  const every = request.checkpointBytes ?? CHECKPOINT_BYTES;
  let moved = 0;
  let done = 0;
  let from = start;
  let hash = createHash("sha256");
  for await (const { chunk, bytes } of chunksAhead(plan, disk, start, signal)) {
    for (const { kind, pos, length, ...where } of chunk.parts) {
      if (kind !== "disk" || !("offset" in where)) continue;
      await feed.take(where.offset, bytes.subarray(pos, pos + length));
      done = Math.max(done, where.offset + length);
    }
    for (const [begin, end] of dataParts(bytes, chunk.at, SHORTEST_GAP)) {
      await part.write(chunk.at + begin, bytes.subarray(begin, end));
      moved += end - begin;
    }
    hashData(hash, chunk, bytes);
    onProgress?.({ done, total: disk.size, moved });
    const at = chunk.at + chunk.length;
    const fingerprint = at - from >= every ? feed.state : null;
    if (fingerprint === null) continue;
    // Zeros at the end were not written: they must be there to be read back.
    await part.extend(at);
    await part.sync();
    await journal.add({ at, from, sha256: hash.digest("hex"), fingerprint });
    from = at;
    hash = createHash("sha256");
  }
  return moved;
}

/** Chunks from `start` on with their bytes, one read ahead. The bytes are valid until the next one is asked for. */
async function* chunksAhead(
  plan: FilePlan,
  disk: BlockSource,
  start: number,
  signal: AbortSignal | undefined,
): AsyncIterable<{ chunk: Chunk; bytes: Buffer }> {
  let ahead: { chunk: Chunk; buffer: Buffer<ArrayBuffer>; ready: Promise<void> } | null = null;
  let spare = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  try {
    for (const chunk of planChunks(plan)) {
      if (chunk.at < start) continue;
      signal?.throwIfAborted();
      const ready = fillChunk(chunk, spare, disk, signal);
      ready.catch(() => undefined);
      const before: typeof ahead = ahead;
      ahead = { chunk, buffer: spare, ready };
      spare = before?.buffer ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
      if (before === null) continue;
      await before.ready;
      yield { chunk: before.chunk, bytes: before.buffer.subarray(0, before.chunk.length) };
    }
    if (ahead !== null) {
      await ahead.ready;
      yield { chunk: ahead.chunk, bytes: ahead.buffer.subarray(0, ahead.chunk.length) };
    }
  } finally {
    // Nothing may still read from the disk when this returns.
    await ahead?.ready.catch(() => undefined);
  }
}
