/** Where the clusters of a QED lie: two levels of tables through one page cache. */
import { BlockTable } from "../../block-table.ts";
import { type NamedBytes, requireBytes } from "../../fields.ts";
import { corrupt, overlap, truncated } from "../../image-error.ts";
import type { LayerLocate, LayerRun, Place } from "../../mapped-disk.ts";
import { PageCache } from "../../page-cache.ts";
import type { QedHeader } from "./layout.ts";

const ENTRY_BYTES = 8;
/** A cluster of zeros that has no place in the file. */
const ZERO_CLUSTER = 1;

/** What it answers throws `image.corrupt`, `image.overlap`, `image.truncated` for entries that cannot be. */
export function clusterMap(file: NamedBytes, header: QedHeader): LayerLocate {
  const { clusterBytes, tableBytes, l1Offset, size } = header;
  const perTable = tableBytes / ENTRY_BYTES;
  const reach = perTable * clusterBytes;
  const cache = new PageCache(file.bytes);

  const numberAt = (page: Buffer, pos: number, at: number): number => {
    const offset = page.readBigUInt64LE(pos);
    if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt(file.name, at, `a table points to byte ${offset}`);
    return Number(offset);
  };
  const inFile = (offset: number, length: number, at: number, what: string): number => {
    if (offset % clusterBytes !== 0) throw corrupt(file.name, at, `${what} lies at byte ${offset}, inside a cluster`);
    if (offset < clusterBytes || (offset < l1Offset + tableBytes && offset + length > l1Offset))
      throw overlap(file.name, at, `${what} at byte ${offset} lies over the header or the L1 table`);
    if (offset + length > file.bytes.size) {
      throw truncated(
        file.name,
        at,
        `${what} at byte ${offset} ends at ${offset + length}, the file has ${file.bytes.size}`,
      );
    }
    return offset;
  };

  const table = (index: number, tableAt: number, entryAt: number): BlockTable => {
    requireBytes(file, inFile(tableAt, tableBytes, entryAt, "an L2 table"), tableBytes, "an L2 table");
    return new BlockTable(cache, {
      at: tableAt,
      count: perTable,
      entryBytes: ENTRY_BYTES,
      blockBytes: clusterBytes,
      decode: (page, pos, cluster, at): Place => {
        const offset = numberAt(page, pos, at);
        if (offset === 0) return "parent";
        if (offset === ZERO_CLUSTER) return null;
        const length = Math.min(clusterBytes, size - index * reach - cluster * clusterBytes);
        inFile(offset, Math.max(length, 0), at, "a cluster");
        if (offset < tableAt + tableBytes && offset + clusterBytes > tableAt)
          throw overlap(file.name, at, "a cluster lies inside its own table");
        return offset;
      },
    });
  };

  const throughL1 = (
    page: Buffer,
    first: number,
    offset: number,
    limit: number,
    kindOnly: boolean,
    signal: AbortSignal | undefined,
  ): LayerRun | Promise<LayerRun> => {
    const within = offset - first * reach;
    const entryAt = l1Offset + first * ENTRY_BYTES;
    const tableAt = numberAt(page, 0, entryAt);
    if (tableAt !== 0) {
      return table(first, tableAt, entryAt).locate(within, Math.min(limit, reach - within), kindOnly, signal);
    }
    let length = reach - within;
    const entries = Math.min(Math.floor(page.length / ENTRY_BYTES), perTable - first);
    for (let i = 1; i < entries && length < limit; i++) {
      if (numberAt(page, i * ENTRY_BYTES, entryAt + i * ENTRY_BYTES) !== 0) break;
      length += reach;
    }
    return { length: Math.min(length, limit), at: "parent" };
  };

  return (offset, limit, kindOnly, signal) => {
    const first = Math.floor(offset / reach);
    const page = cache.from(l1Offset + first * ENTRY_BYTES, signal);
    if (page instanceof Promise) return page.then((p) => throughL1(p, first, offset, limit, kindOnly, signal));
    return throughL1(page, first, offset, limit, kindOnly, signal);
  };
}

const STEP = 65_536;

/** Throws `image.corrupt` for more tables than the file has room for: the same ones again would unfold it without end. */
export async function requireOwnTables(file: NamedBytes, header: QedHeader, signal?: AbortSignal): Promise<void> {
  const { clusterBytes, tableBytes, l1Offset, size } = header;
  const used = Math.ceil(size / ((tableBytes / ENTRY_BYTES) * clusterBytes)) * ENTRY_BYTES;
  let tables = 0;
  for (let from = 0; from < used; from += STEP) {
    const part = Buffer.alloc(Math.min(STEP, used - from));
    await file.bytes.read(l1Offset + from, part, signal);
    for (let pos = 0; pos < part.length; pos += ENTRY_BYTES) if (part.readBigUInt64LE(pos) !== 0n) tables++;
    if (tables * tableBytes > file.bytes.size)
      throw corrupt(file.name, l1Offset, "its L1 table names the same tables more than once");
  }
}
