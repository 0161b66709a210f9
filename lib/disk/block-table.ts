/** A table with one entry per block of the disk, read through a page cache. VDI, VHD, VHDX and VMDK all have one. */
import type { LayerRun, Place } from "./mapped-disk.ts";
import type { PageCache } from "./page-cache.ts";

export interface BlockTableShape {
  /** Byte offset of entry 0 in the file; a multiple of `entryBytes`. The caller has checked that the table is in the file. */
  readonly at: number;
  readonly count: number;
  readonly entryBytes: 4 | 8;
  readonly blockBytes: number;
  /**
   * File offset of block `index`'s data, null for zeros, or that the parent has it. The entry begins at `page[pos]`, `at` is its own file
   * offset for messages. Throws `image.*` for an entry that cannot be.
   */
  readonly decode: (page: Buffer, pos: number, index: number, at: number) => Place;
}

export class BlockTable {
  readonly #cache: PageCache;
  readonly #shape: BlockTableShape;

  constructor(cache: PageCache, shape: BlockTableShape) {
    this.#cache = cache;
    this.#shape = shape;
  }

  /** Like `LayerLocate`, for offsets from the table's first block on. */
  locate(offset: number, limit: number, kindOnly: boolean, signal?: AbortSignal): LayerRun | Promise<LayerRun> {
    const { at, entryBytes, blockBytes } = this.#shape;
    const first = Math.floor(offset / blockBytes);
    const page = this.#cache.from(at + first * entryBytes, signal);
    if (page instanceof Promise) return page.then((bytes) => this.#scan(bytes, first, offset, limit, kindOnly));
    return this.#scan(page, first, offset, limit, kindOnly);
  }

  #scan(page: Buffer, first: number, offset: number, limit: number, kindOnly: boolean): LayerRun {
    const { at, count, entryBytes, blockBytes, decode } = this.#shape;
    const within = offset - first * blockBytes;
    const entries = Math.min(Math.floor(page.length / entryBytes), count - first);
    const start = decode(page, 0, first, at + first * entryBytes);
    let length = blockBytes - within;
    for (let i = 1; i < entries && length < limit; i++) {
      const next = decode(page, i * entryBytes, first + i, at + (first + i) * entryBytes);
      const joins =
        typeof start === "number"
          ? typeof next === "number" && (kindOnly || next === start + i * blockBytes)
          : next === start;
      if (!joins) break;
      length += blockBytes;
    }
    return { length: Math.min(length, limit), at: typeof start === "number" ? start + within : start };
  }
}
