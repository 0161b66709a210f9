/** A file with some of its pages replaced in memory. */
import { AppError } from "#lib/errors.ts";
import type { ByteSource } from "../../io.ts";

const PAGE = 4096;

export class Overlay implements ByteSource {
  readonly size: number;
  readonly #base: ByteSource;
  readonly #pages = new Map<number, Buffer>();
  /** Apart from one another, in their order: whatever lies under a read is filled once. */
  readonly #cleared: { from: number; to: number }[] = [];
  #clearings = 0;

  /** Owns `base`. `size` may be larger than its: the file then ends in zeros. */
  constructor(base: ByteSource, size: number) {
    this.#base = base;
    this.size = size;
  }

  get clearings(): number {
    return this.#clearings;
  }

  /** `at` is a multiple of 4 KiB, and `page` has as many bytes. */
  put(at: number, page: Buffer): void {
    this.#pages.set(at, page);
  }

  /** Zeros from `at` on; pages put before are gone, so a page that is there is newer than every clearing. */
  clear(at: number, length: number): void {
    for (const key of this.#pages.keys()) if (key >= at && key < at + length) this.#pages.delete(key);
    this.#clearings += 1;
    if (length === 0) return;
    const touching = ({ from, to }: { from: number; to: number }) => from <= at + length && to >= at;
    const first = this.#cleared.findIndex(touching);
    if (first === -1) {
      const behind = this.#cleared.findIndex(({ from }) => from > at);
      this.#cleared.splice(behind === -1 ? this.#cleared.length : behind, 0, { from: at, to: at + length });
      return;
    }
    const last = this.#cleared.findLastIndex(touching);
    this.#cleared.splice(first, last - first + 1, {
      from: Math.min(at, this.#cleared[first]?.from ?? at),
      to: Math.max(at + length, this.#cleared[last]?.to ?? 0),
    });
  }

  /** Index of the first stretch that ends behind `offset`. */
  #firstBehind(offset: number): number {
    let [low, high] = [0, this.#cleared.length];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#cleared[middle]?.to ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    const end = offset + into.length;
    if (offset < 0 || end > this.size) {
      throw new AppError(
        "unprocessable",
        "io.short-read",
        `The file ends at byte ${this.size}; ${into.length} bytes were wanted at ${offset}.`,
      );
    }
    const there = Math.max(0, Math.min(into.length, this.#base.size - offset));
    if (there > 0) await this.#base.read(offset, into.subarray(0, there), signal);
    into.fill(0, there);
    for (let i = this.#firstBehind(offset); i < this.#cleared.length; i += 1) {
      const { from, to } = this.#cleared[i] as { from: number; to: number };
      if (from >= end) break;
      into.fill(0, Math.max(from - offset, 0), Math.min(to, end) - offset);
    }
    const first = Math.floor(offset / PAGE) * PAGE;
    // Bulk reads cover more pages than a log has.
    const touched = (end - first) / PAGE < this.#pages.size ? pagesBetween(first, end) : this.#pages.keys();
    for (const at of touched) {
      const page = this.#pages.get(at);
      if (page === undefined || at >= end || at + PAGE <= offset) continue;
      const from = Math.max(at, offset);
      into.set(page.subarray(from - at, Math.min(at + PAGE, end) - at), from - offset);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#base[Symbol.asyncDispose]();
  }
}

function* pagesBetween(first: number, end: number): Iterable<number> {
  for (let at = first; at < end; at += PAGE) yield at;
}
