/** Walks another disk's extents in step with our own: asked for ranges that only go forward. */
import type { BlockSource, Extent } from "./block-source.ts";

export class ExtentCursor implements AsyncDisposable {
  readonly #size: number;
  readonly #extents: AsyncIterator<Extent>;
  #current: Extent | null = null;

  constructor(disk: BlockSource, signal?: AbortSignal) {
    this.#size = disk.size;
    this.#extents = disk.extents(signal)[Symbol.asyncIterator]();
  }

  /** The extents inside [from, to), cut to it; zeros past the disk's end. `from` is never below an earlier `to`. */
  async *range(from: number, to: number): AsyncIterable<Extent> {
    let at = from;
    while (at < to) {
      if (at >= this.#size) {
        yield { offset: at, length: to - at, kind: "zero" };
        return;
      }
      while (this.#current === null || this.#current.offset + this.#current.length <= at) {
        const next = await this.#extents.next();
        // Extents cover the disk; one that ends early is taken to hold data, which is never wrong.
        this.#current = next.done === true ? { offset: at, length: this.#size - at, kind: "data" } : next.value;
      }
      const end = Math.min(to, this.#current.offset + this.#current.length);
      yield { offset: at, length: end - at, kind: this.#current.kind };
      at = end;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#extents.return?.();
  }
}
