/** Tables of any size through a bounded window: a 62 TB disk's tables never stand in memory whole. */
import type { ByteSource } from "./io.ts";

const PAGE_BYTES = 65_536;
const PAGES = 64;

/** Least recently used pages of a file. At most `pages` × `pageBytes` are kept. */
export class PageCache {
  readonly pageBytes: number;
  readonly #bytes: ByteSource;
  readonly #pages: number;
  /** Insertion order is age: a used page is put in again. */
  readonly #kept = new Map<number, Buffer>();
  readonly #loading = new Map<number, Promise<Buffer>>();

  constructor(bytes: ByteSource, options: { pageBytes?: number; pages?: number } = {}) {
    this.#bytes = bytes;
    this.pageBytes = options.pageBytes ?? PAGE_BYTES;
    this.#pages = options.pages ?? PAGES;
  }

  /**
   * The bytes of the file from `offset` to the end of its page (or of the file): at least one byte, not to be
   * written to. The caller has checked that `offset` lies inside the file.
   */
  from(offset: number, signal?: AbortSignal): Buffer | Promise<Buffer> {
    const index = Math.floor(offset / this.pageBytes);
    const start = offset - index * this.pageBytes;
    const kept = this.#kept.get(index);
    if (kept !== undefined) {
      this.#kept.delete(index);
      this.#kept.set(index, kept);
      return kept.subarray(start);
    }
    return this.#load(index, signal).then((page) => page.subarray(start));
  }

  async #load(index: number, signal: AbortSignal | undefined): Promise<Buffer> {
    // Shared by all who wait, so one caller's abort must not fail the others: the read itself has no signal.
    signal?.throwIfAborted();
    let loading = this.#loading.get(index);
    if (loading === undefined) {
      loading = this.#read(index).finally(() => this.#loading.delete(index));
      this.#loading.set(index, loading);
    }
    return loading;
  }

  async #read(index: number): Promise<Buffer> {
    const start = index * this.pageBytes;
    const page = Buffer.alloc(Math.min(this.pageBytes, this.#bytes.size - start));
    await this.#bytes.read(start, page);
    this.#kept.set(index, page);
    if (this.#kept.size > this.#pages) {
      const oldest = this.#kept.keys().next();
      if (!oldest.done) this.#kept.delete(oldest.value);
    }
    return page;
  }
}
