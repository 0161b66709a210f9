/** One VDI of a chain: dynamic, fixed or differencing, all read by their block map. */
import { BlockTable } from "../../block-table.ts";
import { type Fields, readStruct, requireBytes } from "../../fields.ts";
import { insane, overlap, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { Layer } from "../../layer.ts";
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
  uuidAt,
} from "./layout.ts";

const MAX_BLOCK_BYTES = 2 ** 28;

export interface VdiLink {
  readonly disk: Layer;
  readonly type: number;
  /** null: none. */
  readonly uuid: string | null;
  /** Changes with each session that writes to the disk. */
  readonly stateUuid: string | null;
  /** What it is a difference of, and that one's state at the time; null: it stands alone. */
  readonly parent: { readonly uuid: string | null; readonly stateUuid: string | null } | null;
  readonly details: Readonly<Record<string, string | number>>;
}

/** Throws `image.header-insane` for what is no VDI of a known version. */
export async function readHeader(image: ImageFile, signal?: AbortSignal): Promise<Fields> {
  const h = await readStruct(image, 0, HEADER_BYTES, "le", "the header", signal);
  if (h.u32(AT.signature) !== SIGNATURE) throw insane(image.name, AT.signature, "it does not begin with a VDI header");
  const major = Math.floor(h.u32(AT.version) / 65_536);
  if (major !== 1) throw insane(image.name, AT.version, `its VDI version is ${major}; 1 is known`);
  return h;
}

/** The disk that comes back owns `image.bytes`. Throws AppError `image.*`. */
export async function openLink(image: ImageFile, signal?: AbortSignal): Promise<VdiLink> {
  const { name } = image;
  const h = await readHeader(image, signal);
  const bad = (offset: number, what: string) => insane(name, offset, what);
  const type = h.u32(AT.type);
  if (type !== TYPE_DYNAMIC && type !== TYPE_FIXED && type !== TYPE_DIFFERENCING && type !== TYPE_UNDO)
    throw bad(AT.type, `its image type is ${type}`);
  const linkage = { uuid: uuidAt(h.raw, AT.uuidLinkage), stateUuid: uuidAt(h.raw, AT.uuidParentModified) };
  const leans = type === TYPE_DIFFERENCING || type === TYPE_UNDO || linkage.uuid !== null;
  return {
    disk: openBlocks(image, h),
    type,
    uuid: uuidAt(h.raw, AT.uuid),
    stateUuid: uuidAt(h.raw, AT.uuidModified),
    parent: leans ? linkage : null,
    details: {
      blockSize: h.u32(AT.blockSize),
      blocksAllocated: h.u32(AT.blocksAllocated),
      uuid: uuidAt(h.raw, AT.uuid) ?? "none",
      ...(leans ? { parentUuid: linkage.uuid ?? "none" } : {}),
    },
  };
}

function openBlocks(image: ImageFile, h: Fields): Layer {
  const { name } = image;
  const bad = (offset: number, what: string) => insane(name, offset, what);
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
      if (entry === BLOCK_FREE) return "parent";
      if (entry === BLOCK_ZERO) return null;
      const from = dataAt + entry * stride + extra;
      const to = from + Math.min(blockBytes, size - index * blockBytes);
      if (to > image.bytes.size) {
        throw truncated(name, at, `block ${index} at byte ${from} ends at ${to}, the file has ${image.bytes.size}`);
      }
      return from;
    },
  });
  return new MappedDisk(image, size, (offset, limit, kindOnly, signal) =>
    table.locate(offset, limit, kindOnly, signal),
  );
}
