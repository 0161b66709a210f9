/** Are two disks the same to a guest? Only what either one stores is read; holes on both sides are equal unread. */
import type { BlockSource } from "./block-source.ts";
import { ExtentCursor } from "./extent-cursor.ts";
import type { TransferProgress } from "./write-plan.ts";

export interface DiskComparison {
  /** The same size and the same bytes. */
  readonly equal: boolean;
  readonly sizes: readonly [number, number];
  /**
   * First range whose bytes differ, in whole sectors of 512 bytes: from the first sector that differs to the next one
   * that does not, or to the end of the piece (a mebibyte at most) that was compared. Null: none in the size that both have.
   */
  readonly firstDifference: { readonly offset: number; readonly length: number } | null;
}

const PIECE = 1024 * 1024;
const SECTOR = 512;

/** Throws what the disks throw; neither is written. */
export async function compareDisks(
  a: BlockSource,
  b: BlockSource,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: TransferProgress) => void } = {},
): Promise<DiskComparison> {
  const { signal, onProgress } = options;
  const sizes = [a.size, b.size] as const;
  const common = Math.min(...sizes);
  const mine = Buffer.allocUnsafe(PIECE);
  const other = Buffer.allocUnsafe(PIECE);
  let moved = 0;
  for await (const run of inStep(a, b, common, signal)) {
    const end = run.offset + run.length;
    // Nothing is stored on either side: a terabyte of holes is one step.
    if (!run.inA && !run.inB) {
      onProgress?.({ done: end, total: common, moved });
      continue;
    }
    for (let at = run.offset; at < end; at += PIECE) {
      signal?.throwIfAborted();
      const one = mine.subarray(0, Math.min(PIECE, end - at));
      const two = other.subarray(0, one.length);
      await Promise.all([
        run.inA ? a.read(at, one, signal) : one.fill(0),
        run.inB ? b.read(at, two, signal) : two.fill(0),
      ]);
      moved += one.length;
      if (!one.equals(two)) return { equal: false, sizes, firstDifference: differing(one, two, at) };
      onProgress?.({ done: at + one.length, total: common, moved });
    }
  }
  return { equal: a.size === b.size, sizes, firstDifference: null };
}

interface Run {
  readonly offset: number;
  readonly length: number;
  readonly inA: boolean;
  readonly inB: boolean;
}

/** [0, size) in runs inside which neither disk changes between data and hole. */
async function* inStep(a: BlockSource, b: BlockSource, size: number, signal?: AbortSignal): AsyncIterable<Run> {
  await using other = new ExtentCursor(b, signal);
  for await (const { offset, length, kind } of a.extents(signal)) {
    if (offset >= size) return;
    const to = Math.min(offset + length, size);
    for await (const run of other.range(offset, to))
      yield { offset: run.offset, length: run.length, inA: kind === "data", inB: run.kind === "data" };
  }
}

function differing(one: Buffer, two: Buffer, at: number): { offset: number; length: number } {
  const same = (sector: number): boolean => {
    const from = sector * SECTOR;
    return one.compare(two, from, from + SECTOR, from, from + SECTOR) === 0;
  };
  const sectors = Math.ceil(one.length / SECTOR);
  let first = 0;
  while (first < sectors && same(first)) first += 1;
  let end = first + 1;
  while (end < sectors && !same(end)) end += 1;
  const offset = first * SECTOR;
  return { offset: at + offset, length: Math.min(end * SECTOR, one.length) - offset };
}
