/**
 * One expanding image of Parallels: header, block table, blocks. Source: docs/interop/parallels of QEMU 7.2. Numbers are
 * little-endian.
 */
import { BlockTable } from "../../block-table.ts";
import { type NamedBytes, readStruct, requireBytes } from "../../fields.ts";
import { insane, overlap, refused, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { Layer } from "../../layer.ts";
import { type LayerLocate, MappedDisk } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";

/** Entries of the table are sectors. */
export const MAGIC_SECTORS = "WithoutFreeSpace";
/** Entries of the table are blocks. */
export const MAGIC_BLOCKS = "WithouFreSpacExt";
export const HEADER_BYTES = 64;
const SECTOR = 512;
const ENTRY_BYTES = 4;
/** 1 GiB: far above any that was written. */
const MAX_BLOCK_SECTORS = 2 ** 21;
const IN_USE = 0x746f_6e59;

export interface ExpandingImage {
  readonly disk: Layer;
  readonly blockBytes: number;
  readonly variant: "WithoutFreeSpace" | "WithouFreSpacExt";
  readonly notes: readonly string[];
}

/** The disk owns `image.bytes`. Throws `image.*`; `image.dirty` for one that is in use, unless that is accepted. */
export async function openExpanding(image: ImageFile, signal?: AbortSignal): Promise<ExpandingImage> {
  const { name } = image;
  const h = await readStruct(image, 0, HEADER_BYTES, "le", "the header", signal);
  const bad = (at: number, what: string) => insane(name, at, what);
  const magic = h.ascii(0, 16);
  if (magic !== MAGIC_SECTORS && magic !== MAGIC_BLOCKS) throw bad(0, "it does not begin with a Parallels header");
  if (h.u32(16) !== 2) throw bad(16, `its version is ${h.u32(16)}; 2 is known`);
  const blockSectors = h.u32(28);
  if (blockSectors < 1 || blockSectors > MAX_BLOCK_SECTORS) throw bad(28, `its blocks have ${blockSectors} sectors`);
  const blockBytes = blockSectors * SECTOR;
  const sectors = magic === MAGIC_BLOCKS ? h.u64(36, "the disk's size") : h.u32(36);
  const size = sectors * SECTOR;
  if (!Number.isSafeInteger(size)) throw bad(36, `its disk has ${sectors} sectors`);
  const entries = h.u32(32);
  const needed = Math.ceil(size / blockBytes);
  if (entries < needed) throw bad(32, `its table has ${entries} entries; the disk has ${needed} blocks`);
  requireBytes(image, HEADER_BYTES, needed * ENTRY_BYTES, "the block table");
  const notes: string[] = [];
  if (h.u32(44) === IN_USE) {
    if (image.acceptDirty !== true) throw dirty(name);
    notes.push(`${name} was not closed cleanly. It was read as it is.`);
  }
  const unit = magic === MAGIC_BLOCKS ? blockBytes : SECTOR;
  return { disk: blocks(image, { size, blockBytes, needed, unit }), blockBytes, variant: magic, notes };
}

interface Shape {
  readonly size: number;
  readonly blockBytes: number;
  readonly needed: number;
  /** Bytes that an entry counts. */
  readonly unit: number;
}

function blocks(file: NamedBytes, { size, blockBytes, needed, unit }: Shape): Layer {
  const tableEnd = HEADER_BYTES + needed * ENTRY_BYTES;
  const table = new BlockTable(new PageCache(file.bytes), {
    at: HEADER_BYTES,
    count: needed,
    entryBytes: ENTRY_BYTES,
    blockBytes,
    decode: (page, pos, index, at) => {
      const entry = page.readUInt32LE(pos);
      if (entry === 0) return "parent";
      const from = entry * unit;
      const to = from + Math.min(blockBytes, size - index * blockBytes);
      if (from < tableEnd) throw overlap(file.name, at, `block ${index} lies inside the header or the block table`);
      if (to > file.bytes.size) {
        throw truncated(file.name, at, `block ${index} at byte ${from} ends at ${to}, the file has ${file.bytes.size}`);
      }
      return from;
    },
  });
  const locate: LayerLocate = (offset, limit, kindOnly, signal) => table.locate(offset, limit, kindOnly, signal);
  return new MappedDisk(file, size, locate, true);
}

function dirty(name: string) {
  return refused(
    name,
    44,
    "image.dirty",
    "was not closed cleanly, or a machine is using it now",
    "Make sure that no machine uses it. Then start and stop its machine once, or read it as it is with --accept-dirty.",
  );
}
