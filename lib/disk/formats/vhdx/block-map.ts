/** Where the blocks of a VHDX lie, and which sectors of its half-written ones. Source: [MS-VHDX] 2.4 and 2.5. */
import { BlockTable } from "../../block-table.ts";
import { type NamedBytes, requireBytes } from "../../fields.ts";
import { insane, overlap, truncated } from "../../image-error.ts";
import type { LayerLocate, LayerRun, Place } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";
import {
  BITMAP_PRESENT,
  BLOCK_FULLY_PRESENT,
  BLOCK_NOT_PRESENT,
  BLOCK_PARTIALLY_PRESENT,
  BLOCK_UNMAPPED,
  chunkRatio,
  MIB,
  tableEntries,
} from "./layout.ts";
import type { Metadata, Range } from "./structure.ts";

/** Throws `image.header-insane`, `image.truncated` for a table that cannot be; what it answers also `image.overlap`. */
export function blockMap(
  file: NamedBytes,
  bat: Range,
  meta: Metadata,
  claimed: readonly (Range & { what: string })[],
): LayerLocate {
  const { blockBytes, size, hasParent } = meta;
  const ratio = chunkRatio(blockBytes, meta.logicalSector);
  const chunkBytes = ratio * blockBytes;
  const blocks = Math.ceil(size / blockBytes);
  const entries = hasParent ? Math.ceil(blocks / ratio) * (ratio + 1) : tableEntries(blocks, ratio);
  if (entries * 8 > bat.length)
    throw insane(file.name, bat.at, `its block table has ${bat.length} bytes, ${entries * 8} are needed`);
  requireBytes(file, bat.at, entries * 8, "the block table");
  const cache = new PageCache(file.bytes);

  /** 2.5.1: bits 20 to 63 are the offset in MiB. */
  const place = (page: Buffer, pos: number, length: number, what: string, at: number) => {
    const from = (Math.floor(page.readUInt32LE(pos) / 2 ** 20) + page.readUInt32LE(pos + 4) * 4096) * MIB;
    const to = from + length;
    if (!Number.isSafeInteger(to) || to > file.bytes.size) {
      throw truncated(file.name, at, `${what} at byte ${from} ends at ${to}, the file has ${file.bytes.size}`);
    }
    if (from < MIB) throw overlap(file.name, at, `${what} lies inside the headers`);
    for (const c of claimed) {
      if (from < c.at + c.length && to > c.at) throw overlap(file.name, at, `${what} lies inside ${c.what}`);
    }
    return from;
  };

  const decode = (page: Buffer, pos: number, block: number, at: number): Place => {
    const state = page.readUInt32LE(pos) % 8;
    if (state === BLOCK_NOT_PRESENT) return "parent";
    if (state <= BLOCK_UNMAPPED) return null;
    if (state === BLOCK_PARTIALLY_PRESENT && !hasParent)
      throw insane(file.name, at, `block ${block} leans on a parent that the disk does not have`);
    if (state !== BLOCK_FULLY_PRESENT && state !== BLOCK_PARTIALLY_PRESENT)
      throw insane(file.name, at, `block ${block} is in the unknown state ${state}`);
    return place(page, pos, Math.min(blockBytes, size - block * blockBytes), `block ${block}`, at);
  };

  const inTable: LayerLocate = (offset, limit, kindOnly, signal) => {
    const chunk = Math.floor(offset / chunkBytes);
    const within = offset - chunk * chunkBytes;
    const table = new BlockTable(cache, {
      at: bat.at + chunk * (ratio + 1) * 8,
      count: Math.min(ratio, blocks - chunk * ratio),
      entryBytes: 8,
      blockBytes,
      decode: (page, pos, index, at) => decode(page, pos, chunk * ratio + index, at),
    });
    return table.locate(within, Math.min(limit, chunkBytes - within), kindOnly, signal);
  };
  if (!hasParent) return inTable;

  /** A difference: stored blocks one by one, since each may be there in part only. */
  const inBlock = async (run: LayerRun, offset: number, signal: AbortSignal | undefined): Promise<LayerRun> => {
    const block = Math.floor(offset / blockBytes);
    const chunk = Math.floor(block / ratio);
    const within = offset - block * blockBytes;
    const length = Math.min(run.length, blockBytes - within);
    const entry = await cache.from(bat.at + (block + chunk) * 8, signal);
    if (entry.readUInt32LE(0) % 8 === BLOCK_FULLY_PRESENT) return { length, at: run.at };

    const bitmapEntryAt = bat.at + (chunk * (ratio + 1) + ratio) * 8;
    const bitmapEntry = await cache.from(bitmapEntryAt, signal);
    if (bitmapEntry.readUInt32LE(0) % 8 !== BITMAP_PRESENT)
      throw insane(file.name, bitmapEntryAt, `block ${block} is there in part, but the map of its sectors is not`);
    const bitmapAt = place(bitmapEntry, 0, MIB, `sector bitmap ${chunk}`, bitmapEntryAt);
    const sector = (offset - chunk * chunkBytes) / meta.logicalSector;
    const bits = await cache.from(bitmapAt + Math.floor(sector / 8), signal);
    return cutByBitmap({ length, at: run.at }, bits, sector, meta.logicalSector);
  };
  return (offset, limit, kindOnly, signal) => {
    const one = (run: LayerRun) => (typeof run.at === "number" ? inBlock(run, offset, signal) : run);
    const found = inTable(offset, limit, kindOnly, signal);
    return found instanceof Promise ? found.then(one) : one(found);
  };
}

/**
 * The part of `run` that is alike: a set bit is a sector stored here, a clear one the parent's. `bits` begins with the
 * byte of `sector`, which may have a fraction; least significant bit first.
 */
function cutByBitmap(run: LayerRun, bits: Buffer, sector: number, sectorBytes: number): LayerRun {
  const first = Math.floor(sector);
  const skipped = first % 8;
  const stored = (i: number) => Math.floor((bits[Math.floor(i / 8)] ?? 0) / 2 ** (i % 8)) % 2 === 1;
  const kind = stored(skipped);
  let end = skipped + 1;
  const last = Math.min(bits.length * 8, skipped + Math.ceil(run.length / sectorBytes) + 1);
  while (end < last && stored(end) === kind) end++;
  const length = Math.min(run.length, (first - skipped + end - sector) * sectorBytes);
  return { length, at: kind ? run.at : "parent" };
}
