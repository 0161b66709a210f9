/**
 * Applies a VHDX log in memory. Source: [MS-VHDX] 2.3. The log is a ring of entries on 4 KiB boundaries; the newest
 * sound sequence of them holds metadata writes that may not have reached their places before the crash.
 */
import { type NamedBytes, readStruct } from "../../fields.ts";
import { corrupt, refused, truncated } from "../../image-error.ts";
import type { ByteSource } from "../../io.ts";
import { guidAt, isSound, MIB } from "./layout.ts";
import { Overlay } from "./overlay.ts";
import type { VhdxHeader } from "./structure.ts";

/** Hyper-V makes logs of 1 MiB. */
const MAX_LOG_BYTES = 32 * MIB;
/** Sound entries do not overlap; some slack for what older rounds of the ring left. A hostile log claims far more. */
const MAX_CLAIMED = 4;
const MAX_CLEARINGS = 4096;
const UNIT = 4096;
const ENTRY_HEADER_BYTES = 64;
const DESCRIPTOR_BYTES = 32;

interface LogEntry {
  /** Offset in the log of the entry itself and of the sequence's oldest entry. */
  readonly at: number;
  readonly tail: number;
  readonly sequence: bigint;
  /** The whole entry, unwrapped. */
  readonly bytes: Buffer;
  readonly descriptors: number;
  readonly flushedFileOffset: number;
  readonly lastFileOffset: number;
}

/** The file as it would be after the log was applied. Owns `file.bytes`. Throws `image.vhdx-log-dirty` when it cannot be. */
export async function replayLog(
  file: NamedBytes,
  header: VhdxHeader,
  signal?: AbortSignal,
): Promise<{ bytes: ByteSource; entries: number }> {
  if (header.logLength > MAX_LOG_BYTES) throw tooMuch(file.name, header.logAt, `its log has ${header.logLength} bytes`);
  const log = (await readStruct(file, header.logAt, header.logLength, "le", "the log", signal)).raw;
  const sequence = activeSequence(log, header, file.name);
  const last = sequence.at(-1);
  if (last === undefined) throw corrupt(file.name, header.logAt, "its log is in use but holds no sound entries");
  // 2.3.3: the file has been at least this long when the entry was written; shorter means cut off since.
  if (file.bytes.size < last.flushedFileOffset) {
    throw truncated(file.name, file.bytes.size, `its log says that the file had ${last.flushedFileOffset} bytes`);
  }
  const overlay = new Overlay(file.bytes, Math.max(file.bytes.size, last.lastFileOffset));
  for (const entry of sequence) {
    apply(entry, overlay, file.name, header.logAt);
    if (overlay.clearings > MAX_CLEARINGS)
      throw tooMuch(file.name, header.logAt, `its log clears more than ${MAX_CLEARINGS} ranges`);
  }
  return { bytes: overlay, entries: sequence.length };
}

function tooMuch(name: string, offset: number, what: string) {
  return refused(
    name,
    offset,
    "image.vhdx-log-dirty",
    `was not closed cleanly, and ${what}: too much to be applied here`,
    "Attach the disk once in Hyper-V (Mount-VHD, then Dismount-VHD), which applies the log.",
  );
}

/** 2.3.3: of all runs of entries with rising numbers whose newest one points back into the run, the newest. */
function activeSequence(log: Buffer, header: VhdxHeader, name: string): LogEntry[] {
  const entries = new Map<number, LogEntry>();
  let claimed = 0;
  for (let at = 0; at + UNIT <= log.length; at += UNIT) {
    claimed += claimedBytes(log, at, header.logGuid);
    if (claimed > MAX_CLAIMED * log.length)
      throw tooMuch(name, header.logAt + at, "its log's entries lie inside one another");
    const entry = readEntry(log, at, header.logGuid, name);
    if (entry !== null) entries.set(at, entry);
  }
  const runs = runsOf(entries, log.length, (at) =>
    tooMuch(name, header.logAt + at, "its log's entries lie inside one another"),
  );
  let newest: bigint | null = null;
  let active: LogEntry[] = [];
  for (const run of runs) {
    const places = new Map(run.map((entry, place) => [entry.at, place]));
    // Numbers rise along a run: its last entry that points back into it is its newest.
    const head = run.findLastIndex((entry, place) => (places.get(entry.tail) ?? Infinity) <= place);
    const last = run[head];
    if (last === undefined || (newest !== null && last.sequence <= newest)) continue;
    newest = last.sequence;
    active = run.slice(places.get(last.tail), head + 1);
  }
  return active;
}

/**
 * Entries that follow one another, by their places and by their numbers, as far as they do. Each is in one run only, so
 * that all of them together are no longer than the log.
 */
function runsOf(
  entries: ReadonlyMap<number, LogEntry>,
  logLength: number,
  tangled: (at: number) => Error,
): LogEntry[][] {
  const next = new Map<LogEntry, LogEntry>();
  const followers = new Set<LogEntry>();
  for (const entry of entries.values()) {
    const follower = entries.get((entry.at + entry.bytes.length) % logLength);
    if (follower === undefined || follower.sequence !== entry.sequence + 1n) continue;
    if (followers.has(follower)) throw tangled(follower.at);
    followers.add(follower);
    next.set(entry, follower);
  }
  const runs: LogEntry[][] = [];
  for (const entry of entries.values()) {
    if (followers.has(entry)) continue;
    const run: LogEntry[] = [];
    for (let at: LogEntry | undefined = entry; at !== undefined; at = next.get(at)) run.push(at);
    runs.push(run);
  }
  return runs;
}

/** Length of what says that it is an entry of this log here; 0 when nothing does. */
function claimedBytes(log: Buffer, at: number, guid: string): number {
  if (log.toString("latin1", at, at + 4) !== "loge" || guidAt(log, at + 32) !== guid) return 0;
  const length = log.readUInt32LE(at + 8);
  return length < UNIT || length % UNIT !== 0 || length > log.length ? 0 : length;
}

function readEntry(log: Buffer, at: number, guid: string, name: string): LogEntry | null {
  const length = claimedBytes(log, at, guid);
  if (length === 0) return null;
  // An entry may go over the end of the ring.
  const bytes = Buffer.concat([log.subarray(at, at + length), log.subarray(0, Math.max(0, at + length - log.length))]);
  if (!isSound(bytes, "loge")) return null;
  const descriptors = bytes.readUInt32LE(24);
  const tail = bytes.readUInt32LE(12);
  if (tail >= log.length || tail % UNIT !== 0 || ENTRY_HEADER_BYTES + descriptors * DESCRIPTOR_BYTES > length)
    return null;
  const flushed = bytes.readBigUInt64LE(48);
  const lastOffset = bytes.readBigUInt64LE(56);
  if (flushed > BigInt(Number.MAX_SAFE_INTEGER) || lastOffset > 2n ** 50n) {
    throw corrupt(name, at, "its log speaks of a file larger than any");
  }
  return {
    at,
    tail,
    sequence: bytes.readBigUInt64LE(16),
    bytes,
    descriptors,
    flushedFileOffset: Number(flushed),
    lastFileOffset: Number(lastOffset),
  };
}

/** 2.3.1.1 to 2.3.1.3: descriptors first, then the data sectors in their order. */
function apply(entry: LogEntry, overlay: Overlay, name: string, logAt: number): void {
  const { bytes } = entry;
  const bad = (what: string) => corrupt(name, logAt + entry.at, `a log entry ${what}`);
  let data = Math.ceil((ENTRY_HEADER_BYTES + entry.descriptors * DESCRIPTOR_BYTES) / UNIT) * UNIT;
  for (let i = 0; i < entry.descriptors; i++) {
    const pos = ENTRY_HEADER_BYTES + i * DESCRIPTOR_BYTES;
    const kind = bytes.toString("latin1", pos, pos + 4);
    const target = bytes.readBigUInt64LE(pos + 16);
    if (target % BigInt(UNIT) !== 0n || target > 2n ** 50n) throw bad(`writes to byte ${target}`);
    if (bytes.readBigUInt64LE(pos + 24) !== entry.sequence) throw bad("has a descriptor of another entry");
    if (kind === "zero") {
      const length = bytes.readBigUInt64LE(pos + 8);
      if (length % BigInt(UNIT) !== 0n || length > 2n ** 50n) throw bad(`clears ${length} bytes`);
      if (overlay.clearings > MAX_CLEARINGS) return;
      overlay.clear(Number(target), Number(length));
      continue;
    }
    if (kind !== "desc") throw bad("has a descriptor that is not one");
    if (data + UNIT > bytes.length || bytes.toString("latin1", data, data + 4) !== "data")
      throw bad("lacks a data sector");
    const sequence =
      bytes.readUInt32LE(data + 4).toString(16) +
      bytes
        .readUInt32LE(data + UNIT - 4)
        .toString(16)
        .padStart(8, "0");
    if (BigInt(`0x${sequence}`) !== entry.sequence) throw bad("has a data sector of another entry");
    // The sector's first eight and last four bytes are kept in the descriptor, where marks stand in the log.
    const page = Buffer.from(bytes.subarray(data, data + UNIT));
    bytes.copy(page, 0, pos + 8, pos + 16);
    bytes.copy(page, UNIT - 4, pos + 4, pos + 8);
    overlay.put(Number(target), page);
    data += UNIT;
  }
}
