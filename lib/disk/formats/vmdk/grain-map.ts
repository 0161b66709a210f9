/** Where the grains of a sparse extent lie: grain directory → grain table → grain, both through one page cache. */
import { BlockTable } from "../../block-table.ts";
import { requireBytes, type NamedBytes } from "../../fields.ts";
import { overlap, truncated } from "../../image-error.ts";
import type { LayerLocate, LayerRun, Place } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";

/** A stretch of the file that grains must not lie in. Bytes. */
export interface Claimed {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

export interface GrainShape {
  /** Of the disk. Bytes, as all here. */
  readonly size: number;
  readonly grainBytes: number;
  readonly entriesPerTable: number;
  /** Of the directory as of the tables. */
  readonly entryBytes: 4 | 8;
  /** The caller has checked that the whole directory is in the file. */
  readonly directoryAt: number;
  readonly claimed: readonly Claimed[];
  /** What must be in the file of a grain that tells its own length. Default: the grain, cut where the disk ends. */
  readonly grainNeeds?: number;
  /** The table that the entry at `page[pos]` names; null: there is none. `at` is the entry's offset, for messages. */
  readonly tableAt: (page: Buffer, pos: number, at: number) => number | null;
  /** The grain that the entry at `page[pos]` names. */
  readonly grainAt: (page: Buffer, pos: number, at: number) => Place;
}

/** Entries in the directory that the disk needs. */
export function directoryEntries(shape: Pick<GrainShape, "size" | "grainBytes" | "entriesPerTable">): number {
  return Math.ceil(shape.size / (shape.entriesPerTable * shape.grainBytes));
}

/** Throws `image.overlap` for metadata that lies inside other metadata; what it answers throws that and `image.truncated`. */
export function grainMap(file: NamedBytes, shape: GrainShape): LayerLocate {
  const { size, grainBytes, entriesPerTable, entryBytes, directoryAt, claimed } = shape;
  checkDisjoint(file.name, claimed);
  const tableBytes = entriesPerTable * entryBytes;
  const reach = entriesPerTable * grainBytes;
  const tables = directoryEntries(shape);
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
      count: entriesPerTable,
      entryBytes,
      blockBytes: grainBytes,
      decode: (page, pos, grain, at) => {
        const from = shape.grainAt(page, pos, at);
        if (typeof from !== "number") return from;
        const needed = shape.grainNeeds ?? Math.min(grainBytes, size - index * reach - grain * grainBytes);
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
  ): LayerRun | Promise<LayerRun> => {
    const within = offset - first * reach;
    const entryAt = directoryAt + first * entryBytes;
    const tableAt = shape.tableAt(page, 0, entryAt);
    if (tableAt !== null) {
      const found = table(first, tableAt, entryAt);
      return found.locate(within, Math.min(limit, reach - within), kindOnly, signal);
    }
    // No table: none of its grains is here. Stream-optimized files leave out whole runs of tables.
    let length = reach - within;
    const entries = Math.min(Math.floor(page.length / entryBytes), tables - first);
    for (let i = 1; i < entries && length < limit; i++) {
      if (shape.tableAt(page, i * entryBytes, entryAt + i * entryBytes) !== null) break;
      length += reach;
    }
    return { length: Math.min(length, limit), at: "parent" };
  };

  return (offset, limit, kindOnly, signal) => {
    const first = Math.floor(offset / reach);
    const page = cache.from(directoryAt + first * entryBytes, signal);
    if (page instanceof Promise) return page.then((p) => inDirectory(p, first, offset, limit, kindOnly, signal));
    return inDirectory(page, first, offset, limit, kindOnly, signal);
  };
}

function checkDisjoint(name: string, claimed: readonly Claimed[]): void {
  for (const [i, a] of claimed.entries()) {
    for (const b of claimed.slice(i + 1)) {
      if (a.from < b.to && b.from < a.to) throw overlap(name, b.from, `${b.what} lies inside ${a.what}`);
    }
  }
}
