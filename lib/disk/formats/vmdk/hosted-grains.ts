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
export function hostedGrains(file: NamedBytes, header: SparseHeader): HostedGrains {
  const size = header.capacity * SECTOR;
  const grainBytes = header.grainSize * SECTOR;
  const { entriesPerTable } = header;
  const directoryBytes = directoryEntries({ size, grainBytes, entriesPerTable }) * 4;
  const directory = chooseDirectory(file, header, directoryBytes);
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

/** The grain directory, or its copy when the first one does not lie in the file. */
function chooseDirectory(
  file: NamedBytes,
  header: SparseHeader,
  bytes: number,
): { at: number; notes: readonly string[] } {
  if (header.directoryOffset === null)
    throw insane(file.name, 56, "its footer does not say where the grain directory is");
  const fits = (sector: number) => sector > 0 && sector * SECTOR + bytes <= file.bytes.size;
  if (!fits(header.directoryOffset) && hasFlag(header.flags, FLAG_REDUNDANT_TABLE) && fits(header.redundantOffset)) {
    return {
      at: header.redundantOffset * SECTOR,
      notes: ["The grain directory is damaged; its redundant copy was used."],
    };
  }
  if (header.directoryOffset === 0 && bytes > 0)
    throw overlap(file.name, 56, "its grain directory lies inside its header");
  requireBytes(file, header.directoryOffset * SECTOR, bytes, "the grain directory");
  return { at: header.directoryOffset * SECTOR, notes: [] };
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
