/** The grains of a hosted sparse extent: its directory or that one's copy, and what its entries mean. */
import type { NamedBytes } from "../../fields.ts";
import { requireBytes } from "../../fields.ts";
import { insane, overlap } from "../../image-error.ts";
import type { LayerLocate } from "../../mapped-disk.ts";
import { directoryEntries, grainMap, type Claimed } from "./grain-map.ts";
import {
  FLAG_COMPRESSED,
  FLAG_REDUNDANT_TABLE,
  FLAG_ZEROED_GRAIN,
  GRAIN_MARKER_BYTES,
  hasFlag,
  SECTOR,
  type SparseHeader,
} from "./layout.ts";

export interface HostedGrains {
  readonly locate: LayerLocate;
  /** Things to tell: the redundant directory had to be used. */
  readonly notes: readonly string[];
}

/** `header` has passed checkHeader. Throws `image.truncated` and `image.overlap` for a directory that cannot be. */
export async function hostedGrains(
  file: NamedBytes,
  header: SparseHeader,
  signal?: AbortSignal,
): Promise<HostedGrains> {
  const size = header.capacity * SECTOR;
  const grainBytes = header.grainSize * SECTOR;
  const { entriesPerTable } = header;
  const directoryBytes = directoryEntries({ size, grainBytes, entriesPerTable }) * 4;
  const directory = await chooseDirectory(file, header, directoryBytes, signal);
  const zeroed = hasFlag(header.flags, FLAG_ZEROED_GRAIN);
  const locate = grainMap(file, {
    size,
    grainBytes,
    entriesPerTable,
    entryBytes: 4,
    directoryAt: directory.at,
    claimed: metadata(header, directory.at, directoryBytes),
    ...(hasFlag(header.flags, FLAG_COMPRESSED) ? { grainNeeds: GRAIN_MARKER_BYTES } : {}),
    tableAt: (page, pos) => {
      const sector = page.readUInt32LE(pos);
      return sector === 0 ? null : sector * SECTOR;
    },
    grainAt: (page, pos) => {
      const sector = page.readUInt32LE(pos);
      if (sector === 0) return "parent";
      return sector === 1 && zeroed ? null : sector * SECTOR;
    },
  });
  return { locate, notes: directory.notes };
}

const COPY_USED = "The grain directory is damaged; its redundant copy was used.";

/** The grain directory, or its copy when the first one does not lie in the file or holds what cannot be. */
async function chooseDirectory(
  file: NamedBytes,
  header: SparseHeader,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<{ at: number; notes: readonly string[] }> {
  const { directoryOffset, redundantOffset } = header;
  if (directoryOffset === null) throw insane(file.name, 56, "its footer does not say where the grain directory is");
  const fits = (sector: number) => sector > 0 && sector * SECTOR + bytes <= file.bytes.size;
  const copy = hasFlag(header.flags, FLAG_REDUNDANT_TABLE) && fits(redundantOffset) ? redundantOffset * SECTOR : null;
  if (!fits(directoryOffset) && copy !== null) return { at: copy, notes: [COPY_USED] };
  if (directoryOffset === 0 && bytes > 0) throw overlap(file.name, 56, "its grain directory lies inside its header");
  const at = directoryOffset * SECTOR;
  requireBytes(file, at, bytes, "the grain directory");
  if (copy !== null && copy !== at && (await copyIsBetter(file, header, { at, copy, bytes }, signal)))
    return { at: copy, notes: [COPY_USED] };
  return { at, notes: [] };
}

const COMPARE_STEP = 65_536;
/** What a disk of 62 TiB has of the usual grains. A larger directory is read as it is. */
const MOST_COMPARED = 8 * 1_048_576;

/** Whether the directory has faults that its copy has not: tables beyond the file, or none where the copy has one. */
async function copyIsBetter(
  file: NamedBytes,
  { entriesPerTable }: SparseHeader,
  { at, copy, bytes }: { at: number; copy: number; bytes: number },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (bytes > MOST_COMPARED) return false;
  const last = file.bytes.size - entriesPerTable * 4;
  let faults = false;
  for (let from = 0; from < bytes; from += COMPARE_STEP) {
    const length = Math.min(COMPARE_STEP, bytes - from);
    const [own, other] = [Buffer.alloc(length), Buffer.alloc(length)];
    await file.bytes.read(at + from, own, signal);
    await file.bytes.read(copy + from, other, signal);
    for (let pos = 0; pos < length; pos += 4) {
      const ours = own.readUInt32LE(pos) * SECTOR;
      const theirs = other.readUInt32LE(pos) * SECTOR;
      if (theirs > last || (theirs === 0 && ours !== 0 && ours <= last)) return false;
      if (ours > last || (ours === 0 && theirs !== 0)) faults = true;
    }
  }
  return faults;
}

function metadata(header: SparseHeader, directoryAt: number, directoryBytes: number): Claimed[] {
  const claimed: Claimed[] = [{ what: "the header", from: 0, to: SECTOR }];
  if (header.descriptorOffset > 0 && header.descriptorSize > 0) {
    const from = header.descriptorOffset * SECTOR;
    claimed.push({ what: "the descriptor", from, to: from + header.descriptorSize * SECTOR });
  }
  if (directoryBytes > 0)
    claimed.push({ what: "the grain directory", from: directoryAt, to: directoryAt + directoryBytes });
  return claimed;
}
