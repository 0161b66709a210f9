/** One VHD of a chain: fixed (the disk, then a footer), dynamic or differencing (a table of blocks). */
import { Fields, readStruct, requireBytes } from "../../fields.ts";
import { FlatDisk } from "../../flat-disk.ts";
import { insane, overlap, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { Layer } from "../../layer.ts";
import { MappedDisk } from "../../mapped-disk.ts";
import { blockMap, type DynamicShape } from "./block-map.ts";
import {
  COOKIE_DYNAMIC,
  COOKIE_FOOTER,
  dynamicHeaderIsSound,
  DYNAMIC_HEADER_BYTES,
  FOOTER_BYTES,
  footerIsSound,
  paddedFooterAt,
  PADDED_WITHIN,
  parseFooter,
  TYPE_DIFFERENCING,
  TYPE_DYNAMIC,
  TYPE_FIXED,
  type Footer,
} from "./layout.ts";
import { type ParentName, readParentName } from "./parent-locator.ts";

const MIN_BLOCK_BYTES = 4096;
const MAX_BLOCK_BYTES = 2 ** 28;

export interface VhdLink {
  readonly disk: Layer;
  readonly footer: Footer;
  /** null: it stands alone. */
  readonly parent: ParentName | null;
  readonly details: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  /** null: fixed. */
  readonly shape: DynamicShape | null;
}

/** A footer and where it was found. */
export interface FoundFooter {
  readonly footer: Footer;
  readonly fields: Fields;
  readonly notes: readonly string[];
}

/** The disk that comes back owns `image.bytes`. Throws AppError `image.*`. */
export async function openLink(image: ImageFile, signal?: AbortSignal): Promise<VhdLink> {
  return openBy(image, await readFooter(image, signal), signal);
}

/** The footer's copy at the beginning; null: there is none, as in fixed images. */
export async function readFrontFooter(image: ImageFile, signal?: AbortSignal): Promise<FoundFooter | null> {
  const fields = await readStruct(image, 0, FOOTER_BYTES, "be", "the footer", signal);
  return footerIsSound(fields.raw) ? { footer: parseFooter(fields), fields, notes: [] } : null;
}

/** As openLink, by a footer that was found before. */
export async function openBy(
  image: ImageFile,
  { footer, fields, notes }: FoundFooter,
  signal?: AbortSignal,
): Promise<VhdLink> {
  const { currentSize: size, type } = footer;
  if (type === TYPE_FIXED) {
    // The footer must not be read as the disk's end.
    if (size > fields.at) {
      throw truncated(
        image.name,
        fields.at,
        `a disk of ${size} bytes stands before its footer, which is at byte ${fields.at}`,
      );
    }
    return { disk: new FlatDisk(image, 0, size), footer, parent: null, details: {}, notes, shape: null };
  }
  if (type !== TYPE_DYNAMIC && type !== TYPE_DIFFERENCING)
    throw insane(image.name, fields.at + 60, `its disk type is ${type}`);
  const { disk, header, shape } = await openDynamic(image, footer, fields, signal);
  const parent = type === TYPE_DIFFERENCING ? await readParentName(image, header, signal) : null;
  return { disk, footer, parent, details: { blockSize: shape.blockBytes }, notes, shape };
}

/** The footer at the end, or the copy that dynamic images keep at the beginning. */
async function readFooter(image: ImageFile, signal?: AbortSignal): Promise<FoundFooter> {
  const { size } = image.bytes;
  // Virtual PC before 2004 left out the footer's last byte.
  for (const length of [FOOTER_BYTES, FOOTER_BYTES - 1]) {
    if (size < length) continue;
    const at = size - length;
    const raw = Buffer.alloc(FOOTER_BYTES);
    await image.bytes.read(at, raw.subarray(0, length), signal);
    if (footerIsSound(raw)) {
      const fields = new Fields(image.name, at, raw, "be");
      return { footer: parseFooter(fields), fields, notes: [] };
    }
  }
  const padded = await readPaddedFooter(image, signal);
  if (padded !== null) return padded;
  const first = await readStruct(image, 0, FOOTER_BYTES, "be", "the footer", signal);
  if (footerIsSound(first.raw)) {
    const footer = parseFooter(first);
    if (footer.type === TYPE_FIXED) throw truncated(image.name, size, "its footer is not at the end");
    return {
      footer,
      fields: first,
      notes: ["The footer at the end is missing or damaged; the copy at the beginning was used."],
    };
  }
  const claims = first.ascii(0, 8) === COOKIE_FOOTER;
  throw insane(image.name, claims ? 0 : Math.max(0, size - FOOTER_BYTES), "no sound footer is at its end or beginning");
}

/** Stores and copies by block fill a file up with zeros to whole pages of 4 KiB. */
async function readPaddedFooter(image: ImageFile, signal?: AbortSignal): Promise<FoundFooter | null> {
  const { size } = image.bytes;
  const tail = Buffer.alloc(Math.min(PADDED_WITHIN, size));
  await image.bytes.read(size - tail.length, tail, signal);
  const pos = paddedFooterAt(tail);
  if (pos === null) return null;
  const raw = Buffer.from(tail.subarray(pos, pos + FOOTER_BYTES));
  if (!footerIsSound(raw)) return null;
  const fields = new Fields(image.name, size - tail.length + pos, raw, "be");
  return { footer: parseFooter(fields), fields, notes: [] };
}

async function openDynamic(image: ImageFile, footer: Footer, footerFields: Fields, signal?: AbortSignal) {
  const size = footer.currentSize;
  const headerAt = footerFields.u64(16, "the dynamic header's offset");
  const header = await readStruct(image, headerAt, DYNAMIC_HEADER_BYTES, "be", "the dynamic header", signal);
  const bad = (offset: number, what: string) => insane(image.name, headerAt + offset, what);
  if (header.ascii(0, 8) !== COOKIE_DYNAMIC) throw bad(0, "its dynamic header is not one");
  if (!dynamicHeaderIsSound(header.raw)) throw bad(36, "the checksum of its dynamic header is wrong");
  const tableAt = header.u64(16, "the block table's offset");
  const entries = header.u32(28);
  const blockBytes = header.u32(32);
  if (!Number.isInteger(Math.log2(blockBytes)) || blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES) {
    throw bad(32, `its blocks have ${blockBytes} bytes`);
  }
  const needed = Math.ceil(size / blockBytes);
  if (entries < needed) throw bad(28, `its table has ${entries} entries; the disk has ${needed} blocks`);
  if (tableAt % 4 !== 0) throw bad(16, `its block table begins at byte ${tableAt}`);
  // Only the entries of the disk's own blocks are ever read.
  requireBytes(image, tableAt, needed * 4, "the block table");
  const claimed = [
    { what: "the first footer", from: 0, to: FOOTER_BYTES },
    { what: "the dynamic header", from: headerAt, to: headerAt + DYNAMIC_HEADER_BYTES },
    { what: "the block table", from: tableAt, to: tableAt + needed * 4 },
  ];
  for (const [i, a] of claimed.entries()) {
    for (const b of claimed.slice(i + 1)) {
      if (a.from < b.to && b.from < a.to) throw overlap(image.name, b.from, `${b.what} lies inside ${a.what}`);
    }
  }
  const shape: DynamicShape = { size, tableAt, entries: needed, blockBytes, claimed };
  return { disk: new MappedDisk(image, size, blockMap(image, shape)), header, shape };
}
