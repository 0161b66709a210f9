/** Where the grains of a sparse extent lie: grain directory → grain table → grain, both through one page cache. */
import { BlockTable } from "../../block-table.ts";
import { requireBytes, type NamedBytes } from "../../fields.ts";
import { insane, overlap, truncated } from "../../image-error.ts";
import type { Locate, Run } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";
import {
  FLAG_COMPRESSED,
  FLAG_REDUNDANT_TABLE,
  FLAG_ZEROED_GRAIN,
  GRAIN_MARKER_BYTES,
  hasFlag,
  SECTOR,
  type SparseHeader,
} from "./layout.ts";

/** A stretch of the file that grains must not lie in. Bytes. */
interface Claimed {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

export interface GrainMap {
  readonly locate: Locate;
  /** Things to tell: the redundant directory had to be used. */
  readonly notes: readonly string[];
}

/** `header` has passed checkHeader. Throws `image.truncated` and `image.overlap` for a directory that cannot be. */
export function grainMap(file: NamedBytes, header: SparseHeader): GrainMap {
  const grainBytes = header.grainSize * SECTOR;
  const tableBytes = header.entriesPerTable * 4;
  const reach = header.entriesPerTable * grainBytes;
  const size = header.capacity * SECTOR;
  const tables = Math.ceil(size / reach);
  const directory = chooseDirectory(file, header, tables * 4);
  const claimed = metadata(header, directory.at, tables * 4);
  checkDisjoint(file.name, claimed);

  const compressed = hasFlag(header.flags, FLAG_COMPRESSED);
  const zeroed = hasFlag(header.flags, FLAG_ZEROED_GRAIN);
  const cache = new PageCache(file.bytes);

  const claim = (from: number, length: number, entryAt: number, what: string) => {
    for (const c of claimed) {
      if (from < c.to && from + length > c.from) throw overlap(file.name, entryAt, `${what} lies inside ${c.what}`);
    }
  };

  /** Table `index` at byte `tableAt` of the file. */
  const table = (index: number, tableAt: number, entryAt: number) => {
    requireBytes(file, tableAt, tableBytes, `grain table ${index}`);
    claim(tableAt, tableBytes, entryAt, `grain table ${index}`);
    return new BlockTable(cache, {
      at: tableAt,
      count: header.entriesPerTable,
      entryBytes: 4,
      blockBytes: grainBytes,
      decode: (page, pos, grain, at) => {
        const sector = page.readUInt32LE(pos);
        if (sector === 0 || (sector === 1 && zeroed)) return null;
        const from = sector * SECTOR;
        // A compressed grain tells its length itself; the disk's last grain may be cut with the disk.
        const needed = compressed
          ? GRAIN_MARKER_BYTES
          : Math.min(grainBytes, size - index * reach - grain * grainBytes);
        if (from + needed > file.bytes.size) {
          throw truncated(
            file.name,
            at,
            `the grain at byte ${from} needs ${needed} bytes, the file has ${file.bytes.size}`,
          );
        }
        claim(from, needed, at, "a grain");
        if (from < tableAt + tableBytes && from + needed > tableAt)
          throw overlap(file.name, at, "a grain lies inside its own table");
        return from;
      },
    });
  };

  const inDirectory = (
    page: Buffer,
    first: number,
    offset: number,
    limit: number,
    kindOnly: boolean,
    signal: AbortSignal | undefined,
  ): Run | Promise<Run> => {
    const within = offset - first * reach;
    const sector = page.readUInt32LE(0);
    if (sector !== 0) {
      const found = table(first, sector * SECTOR, directory.at + first * 4);
      return found.locate(within, Math.min(limit, reach - within), kindOnly, signal);
    }
    // No table: all its grains read as zeros. Stream-optimized files leave out whole runs of tables.
    let length = reach - within;
    const entries = Math.min(Math.floor(page.length / 4), tables - first);
    for (let i = 1; i < entries && length < limit && page.readUInt32LE(i * 4) === 0; i++) length += reach;
    return { length: Math.min(length, limit), at: null };
  };

  const locate: Locate = (offset, limit, kindOnly, signal) => {
    const first = Math.floor(offset / reach);
    const page = cache.from(directory.at + first * 4, signal);
    if (page instanceof Promise) return page.then((p) => inDirectory(p, first, offset, limit, kindOnly, signal));
    return inDirectory(page, first, offset, limit, kindOnly, signal);
  };
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

function checkDisjoint(name: string, claimed: readonly Claimed[]): void {
  for (const [i, a] of claimed.entries()) {
    for (const b of claimed.slice(i + 1)) {
      if (a.from < b.to && b.from < a.to) throw overlap(name, b.from, `${b.what} lies inside ${a.what}`);
    }
  }
}
