/** Where the blocks of a dynamic VHD lie, and which of their sectors were ever written. */
import { BlockTable } from "../../block-table.ts";
import type { NamedBytes } from "../../fields.ts";
import { overlap, truncated } from "../../image-error.ts";
import type { LayerLocate, LayerRun } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";
import { SECTOR, UNUSED_BLOCK } from "./layout.ts";

export interface DynamicShape {
  readonly size: number;
  readonly tableAt: number;
  readonly entries: number;
  readonly blockBytes: number;
  /** Stretches of the file that blocks must not lie in. */
  readonly claimed: readonly { readonly what: string; readonly from: number; readonly to: number }[];
}

/** Bitmaps kept: 512 bytes each for the usual blocks of 2 MiB. */
const BITMAPS = 256;
const ALL_WRITTEN = "all";
type Bitmap = Buffer | typeof ALL_WRITTEN;

export function bitmapBytes(blockBytes: number): number {
  return Math.ceil(blockBytes / SECTOR / 8 / SECTOR) * SECTOR;
}

/** Where the data of each block lies, whatever its bitmap says of it. */
export function blockTable(file: NamedBytes, shape: DynamicShape): BlockTable {
  const { size, blockBytes } = shape;
  const lead = bitmapBytes(blockBytes);
  return new BlockTable(new PageCache(file.bytes), {
    at: shape.tableAt,
    count: shape.entries,
    entryBytes: 4,
    blockBytes,
    decode: (page, pos, index, at) => {
      const sector = page.readUInt32BE(pos);
      if (sector === UNUSED_BLOCK) return "parent";
      const from = sector * SECTOR;
      const to = from + lead + Math.min(blockBytes, size - index * blockBytes);
      if (to > file.bytes.size) {
        throw truncated(file.name, at, `block ${index} at byte ${from} ends at ${to}, the file has ${file.bytes.size}`);
      }
      for (const c of shape.claimed) {
        if (from < c.to && to > c.from) throw overlap(file.name, at, `block ${index} lies inside ${c.what}`);
      }
      return from + lead;
    },
  });
}

export function blockMap(file: NamedBytes, shape: DynamicShape): LayerLocate {
  const { blockBytes } = shape;
  const lead = bitmapBytes(blockBytes);
  const table = blockTable(file, shape);
  const kept = new Map<number, Bitmap>();
  const bitmapAt = async (at: number, signal: AbortSignal | undefined): Promise<Bitmap> => {
    const bytes = Buffer.alloc(lead);
    await file.bytes.read(at, bytes, signal);
    // The usual case; a bitmap of a whole block is its first bits.
    const used = Math.ceil(blockBytes / SECTOR / 8);
    const bitmap = bytes.subarray(0, used).every((byte) => byte === 0xff) ? ALL_WRITTEN : bytes;
    kept.set(at, bitmap);
    const oldest = kept.keys().next();
    if (kept.size > BITMAPS && !oldest.done) kept.delete(oldest.value);
    return bitmap;
  };

  /** One block at a time: the bitmap between two blocks keeps their data apart anyway. */
  const inBlock = (
    { length, at }: LayerRun,
    offset: number,
    signal: AbortSignal | undefined,
  ): LayerRun | Promise<LayerRun> => {
    if (typeof at !== "number") return { length, at };
    const within = offset % blockBytes;
    const block = at - within;
    const bitmap = kept.get(block - lead);
    const cut = (found: Bitmap) => cutByBitmap(found, block, within, length);
    return bitmap === undefined ? bitmapAt(block - lead, signal).then(cut) : cut(bitmap);
  };

  return (offset, limit, _kindOnly, signal) => {
    const found = table.locate(offset, limit, false, signal);
    return found instanceof Promise
      ? found.then((run) => inBlock(run, offset, signal))
      : inBlock(found, offset, signal);
  };
}

/** A sector whose bit is clear was never written: it is the parent's, whatever lies there. Most significant bit first. */
export function cutByBitmap(bitmap: Bitmap, block: number, within: number, length: number): LayerRun {
  if (bitmap === ALL_WRITTEN) return { length, at: block + within };
  const written = (sector: number) =>
    Math.floor((bitmap[Math.floor(sector / 8)] ?? 0) / 2 ** (7 - (sector % 8))) % 2 === 1;
  const first = Math.floor(within / SECTOR);
  const kind = written(first);
  let end = first + 1;
  while (end * SECTOR < within + length && written(end) === kind) end++;
  return { length: Math.min(end * SECTOR - within, length), at: kind ? block + within : "parent" };
}
