/** Opens a VDI: dynamic or fixed, both read by their block map. */
import { BlockTable } from "../../block-table.ts";
import { readStruct, requireBytes } from "../../fields.ts";
import type { OpenedImage } from "../../format.ts";
import { insane, overlap, refused, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { MappedDisk } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";
import {
  AT,
  BLOCK_FREE,
  BLOCK_ZERO,
  HEADER_BYTES,
  SIGNATURE,
  TYPE_DIFFERENCING,
  TYPE_DYNAMIC,
  TYPE_FIXED,
  TYPE_UNDO,
} from "./layout.ts";

const MAX_BLOCK_BYTES = 2 ** 28;

/** Throws AppError `image.*`. Once open, the image owns `image.bytes`. */
export async function openVdi(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const { name } = image;
  const h = await readStruct(image, 0, HEADER_BYTES, "le", "the header", signal);
  const bad = (offset: number, what: string) => insane(name, offset, what);
  if (h.u32(AT.signature) !== SIGNATURE) throw bad(AT.signature, "it does not begin with a VDI header");
  const major = Math.floor(h.u32(AT.version) / 65_536);
  if (major !== 1) throw bad(AT.version, `its VDI version is ${major}; 1 is known`);
  const type = h.u32(AT.type);
  if (
    type === TYPE_DIFFERENCING ||
    type === TYPE_UNDO ||
    h.raw.subarray(AT.uuidLinkage, AT.uuidParent + 16).some((b) => b !== 0)
  ) {
    throw refused(
      name,
      AT.type,
      "image.vdi-differencing",
      "is a differencing disk and holds only what changed since its parent",
      "Clone the disk in VirtualBox (VBoxManage clonemedium), which merges the chain, and import the clone.",
    );
  }
  if (type !== TYPE_DYNAMIC && type !== TYPE_FIXED) throw bad(AT.type, `its image type is ${type}`);

  const size = h.u64(AT.diskSize, "the disk's size");
  const blockBytes = h.u32(AT.blockSize);
  const extra = h.u32(AT.blockExtra);
  const blocks = h.u32(AT.blocks);
  const mapAt = h.u32(AT.mapOffset);
  const dataAt = h.u32(AT.dataOffset);
  if (!Number.isInteger(Math.log2(blockBytes)) || blockBytes < 4096 || blockBytes > MAX_BLOCK_BYTES) {
    throw bad(AT.blockSize, `its blocks have ${blockBytes} bytes`);
  }
  if (extra > blockBytes || extra % 512 !== 0) throw bad(AT.blockExtra, `its blocks carry ${extra} extra bytes`);
  const needed = Math.ceil(size / blockBytes);
  if (blocks < needed) throw bad(AT.blocks, `its map has ${blocks} blocks; the disk has ${needed}`);
  if (mapAt % 4 !== 0) throw bad(AT.mapOffset, `its block map begins at byte ${mapAt}`);
  // VDIHEADER1 (version 1.0) ends before the last fields of the sector that was read; nothing of it is used.
  if (mapAt < HEADER_BYTES) throw overlap(name, AT.mapOffset, "its block map lies inside its header");
  requireBytes(image, mapAt, needed * 4, "the block map");
  if (needed > 0 && dataAt < mapAt + needed * 4)
    throw overlap(name, AT.dataOffset, "its data begins inside its block map");

  const stride = blockBytes + extra;
  const table = new BlockTable(new PageCache(image.bytes), {
    at: mapAt,
    count: needed,
    entryBytes: 4,
    blockBytes,
    decode: (page, pos, index, at) => {
      const entry = page.readUInt32LE(pos);
      if (entry === BLOCK_FREE || entry === BLOCK_ZERO) return null;
      const from = dataAt + entry * stride + extra;
      const to = from + Math.min(blockBytes, size - index * blockBytes);
      if (to > image.bytes.size) {
        throw truncated(name, at, `block ${index} at byte ${from} ends at ${to}, the file has ${image.bytes.size}`);
      }
      return from;
    },
  });
  const disk = new MappedDisk(image, size, (offset, limit, kindOnly, signal) =>
    table.locate(offset, limit, kindOnly, signal),
  );
  return {
    facts: {
      format: "vdi",
      variant: type === TYPE_FIXED ? "fixed" : "dynamic",
      virtualSize: size,
      files: [name],
      details: { blockSize: blockBytes, blocksAllocated: h.u32(AT.blocksAllocated) },
      notes: [],
    },
    disk,
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}
