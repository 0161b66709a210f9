/** Opens a VHDX, dynamic or fixed; what its log still holds is applied in memory, the file is not touched. */
import { BlockTable } from "../../block-table.ts";
import { type NamedBytes, requireBytes } from "../../fields.ts";
import type { OpenedImage } from "../../format.ts";
import { insane, overlap, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { type LayerLocate, MappedDisk } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";
import {
  BLOCK_FULLY_PRESENT,
  BLOCK_PARTIALLY_PRESENT,
  BLOCK_UNMAPPED,
  chunkRatio,
  MIB,
  tableEntries,
} from "./layout.ts";
import { replayLog } from "./log.ts";
import { logIsEmpty, type Metadata, type Range, readHeader, readMetadata, readRegions } from "./structure.ts";

/** Throws AppError `image.*`. Once open, the image owns `image.bytes`. */
export async function openVhdx(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const header = await readHeader(image, signal);
  const notes: string[] = [];
  let file: NamedBytes = image;
  if (!logIsEmpty(header)) {
    const replayed = await replayLog(image, header, signal);
    file = { name: image.name, bytes: replayed.bytes };
    notes.push(`The disk was not closed cleanly: ${replayed.entries} entries of its log were applied in memory.`);
  }
  const { bat, metadata: region } = await readRegions(file, signal);
  const metadata = await readMetadata(file, region, signal);
  const locate = locateBlocks(file, bat, metadata, [
    { what: "the metadata", at: region.at, length: region.length },
    { what: "the block table", at: bat.at, length: bat.length },
    { what: "the log", at: header.logAt, length: header.logLength },
  ]);
  const disk = new MappedDisk(file, metadata.size, locate);
  return {
    facts: {
      format: "vhdx",
      variant: metadata.fixed ? "fixed" : "dynamic",
      virtualSize: metadata.size,
      files: [image.name],
      details: {
        blockSize: metadata.blockBytes,
        logicalSectorSize: metadata.logicalSector,
        physicalSectorSize: metadata.physicalSector,
      },
      notes,
    },
    disk,
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

function locateBlocks(
  file: NamedBytes,
  bat: Range,
  meta: Metadata,
  claimed: readonly (Range & { what: string })[],
): LayerLocate {
  const { blockBytes, size } = meta;
  const ratio = chunkRatio(blockBytes, meta.logicalSector);
  const chunkBytes = ratio * blockBytes;
  const entries = tableEntries(Math.ceil(size / blockBytes), ratio);
  if (entries * 8 > bat.length)
    throw insane(file.name, bat.at, `its block table has ${bat.length} bytes, ${entries * 8} are needed`);
  requireBytes(file, bat.at, entries * 8, "the block table");
  const cache = new PageCache(file.bytes);

  const decode = (page: Buffer, pos: number, block: number, at: number): number | null => {
    const low = page.readUInt32LE(pos);
    const state = low % 8;
    if (state <= BLOCK_UNMAPPED) return null;
    if (state === BLOCK_PARTIALLY_PRESENT)
      throw insane(file.name, at, `block ${block} leans on a parent that the disk does not have`);
    if (state !== BLOCK_FULLY_PRESENT) throw insane(file.name, at, `block ${block} is in the unknown state ${state}`);
    // 2.5.1: bits 20 to 63 are the offset in MiB.
    const from = (Math.floor(low / 2 ** 20) + page.readUInt32LE(pos + 4) * 4096) * MIB;
    const to = from + Math.min(blockBytes, size - block * blockBytes);
    if (!Number.isSafeInteger(to) || to > file.bytes.size) {
      throw truncated(file.name, at, `block ${block} at byte ${from} ends at ${to}, the file has ${file.bytes.size}`);
    }
    if (from < MIB) throw overlap(file.name, at, `block ${block} lies inside the headers`);
    for (const c of claimed) {
      if (from < c.at + c.length && to > c.at) throw overlap(file.name, at, `block ${block} lies inside ${c.what}`);
    }
    return from;
  };

  return (offset, limit, kindOnly, signal) => {
    const chunk = Math.floor(offset / chunkBytes);
    const within = offset - chunk * chunkBytes;
    const table = new BlockTable(cache, {
      at: bat.at + chunk * (ratio + 1) * 8,
      count: Math.min(ratio, Math.ceil(size / blockBytes) - chunk * ratio),
      entryBytes: 8,
      blockBytes,
      decode: (page, pos, index, at) => decode(page, pos, chunk * ratio + index, at),
    });
    return table.locate(within, Math.min(limit, chunkBytes - within), kindOnly, signal);
  };
}
