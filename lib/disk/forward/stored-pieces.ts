/** The data of an image in the order of its file: what can be read of a file that passes by once. */
import type { BlockSource } from "../block-source.ts";
import type { DiskPiece } from "../disk-stream.ts";
import type { ByteSource } from "../io.ts";
import { NotForward } from "./byte-window.ts";

/** Runs that are remembered: 24 bytes each. */
const MOST_RUNS = 1_000_000;
/** One piece, and where pieces are cut on the disk: whole leaves of the fingerprint. */
const STEP = 1_048_576;

/** Data of the disk, and where it begins in the file. Bytes. */
interface StoredRun {
  readonly offset: number;
  readonly length: number;
  readonly at: number;
}

export interface StoredOrder {
  readonly order: "forward" | "unordered";
  readonly runs: readonly StoredRun[];
  /** End of the last run, where its bytes are stored as they are. */
  readonly end: number;
}

/** Reads all tables of a disk in `file`. Throws `NotForward` when they cannot tell or tell too much. */
export async function storedOrder(disk: BlockSource, file: ByteSource, signal?: AbortSignal): Promise<StoredOrder> {
  const runs: StoredRun[] = [];
  const add = (run: StoredRun): void => {
    const last = runs.at(-1);
    if (last !== undefined && last.offset + last.length === run.offset && last.at + last.length === run.at) {
      runs[runs.length - 1] = { ...last, length: last.length + run.length };
      return;
    }
    if (runs.length === MOST_RUNS) throw new NotForward(`its data lies in more than ${MOST_RUNS} places`);
    runs.push(run);
  };
  if (disk.locate === undefined) throw new NotForward("its tables do not tell where its data lies");
  for (let offset = 0; offset < disk.size; ) {
    signal?.throwIfAborted();
    const found = disk.locate(offset, disk.size - offset, signal);
    const located = found instanceof Promise ? await found : found;
    if (located.kind === "file") {
      if (located.bytes !== file) throw new NotForward("its data does not lie in the file as it is");
      add({ offset, length: located.length, at: located.at });
    } else if (located.kind === "read") {
      if (located.packed?.bytes !== file) throw new NotForward("its data does not lie in the file as it is");
      let from = offset;
      for (const { length, at } of located.packed.parts) {
        add({ offset: from, length, at });
        from += length;
      }
    }
    offset += located.length;
  }
  let order: StoredOrder["order"] = "forward";
  for (let i = 1; i < runs.length; i++) if ((runs[i]?.at ?? 0) < (runs[i - 1]?.at ?? 0)) order = "unordered";
  if (order === "unordered") runs.sort((a, b) => a.at - b.at);
  const last = runs.at(-1);
  return { order, runs, end: last === undefined ? 0 : last.at + last.length };
}

/** Reads the disk run by run, so that the reads of its file only go forward. */
export async function* storedPieces(
  disk: BlockSource,
  { runs }: StoredOrder,
  signal?: AbortSignal,
): AsyncIterable<DiskPiece> {
  const buffer = Buffer.allocUnsafe(STEP);
  for (const run of runs) {
    for (let offset = run.offset, end = run.offset + run.length; offset < end; ) {
      const bytes = buffer.subarray(0, Math.min(end - offset, STEP - (offset % STEP)));
      await disk.read(offset, bytes, signal);
      yield { offset, bytes };
      offset += bytes.length;
    }
  }
}
