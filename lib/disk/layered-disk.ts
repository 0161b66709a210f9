/** A chain of images as the one disk that a guest sees: each byte from the topmost image that has it. */
import type { BlockSource, Extent, Located } from "./block-source.ts";
import { ExtentCursor } from "./extent-cursor.ts";
import type { Layer } from "./layer.ts";
import { mergeExtents, requireInside } from "./mapped-disk.ts";

/** Reads under way at once for one call. */
const MOST_PENDING = 16;

/** Where `length` bytes come from; null: they are zeros. */
interface Found {
  readonly length: number;
  readonly source: BlockSource | null;
}

export class LayeredDisk implements BlockSource {
  /** That of the topmost layer: what a smaller image below does not have reads as zeros. */
  readonly size: number;
  readonly #layers: readonly Layer[];
  readonly #base: BlockSource;

  /** `layers` from the topmost down, at least one; `base` stands alone. Owns all of them. */
  constructor(layers: readonly [Layer, ...Layer[]], base: BlockSource) {
    this.size = layers[0].size;
    this.#layers = layers;
    this.#base = base;
  }

  async #find(offset: number, limit: number, signal: AbortSignal | undefined): Promise<Found> {
    let length = limit;
    for (const layer of this.#layers) {
      if (offset >= layer.size) return { length, source: null };
      const asked = layer.held(offset, Math.min(length, layer.size - offset), signal);
      const held = asked instanceof Promise ? await asked : asked;
      length = held.length;
      if (held.kind !== "parent") return { length, source: held.kind === "data" ? layer : null };
    }
    if (offset >= this.#base.size) return { length, source: null };
    return { length: Math.min(length, this.#base.size - offset), source: this.#base };
  }

  extents(signal?: AbortSignal): AsyncIterable<Extent> {
    return mergeExtents(this.#all(signal));
  }

  async *#all(signal: AbortSignal | undefined): AsyncIterable<Extent> {
    await using below = new ExtentCursor(this.#base, signal);
    for (let offset = 0; offset < this.size; ) {
      signal?.throwIfAborted();
      const { length, source } = await this.#find(offset, this.size - offset, signal);
      if (source === this.#base) yield* below.range(offset, offset + length);
      else yield { offset, length, kind: source === null ? "zero" : "data" };
      offset += length;
    }
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    requireInside(this, offset, into.length);
    let pending: Promise<void>[] = [];
    try {
      for (let done = 0; done < into.length; ) {
        const { length, source } = await this.#find(offset + done, into.length - done, signal);
        const part = into.subarray(done, done + length);
        if (source === null) part.fill(0);
        else pending.push(source.read(offset + done, part, signal));
        done += length;
        if (pending.length === MOST_PENDING) {
          await Promise.all(pending);
          pending = [];
        }
      }
    } catch (error) {
      // The caller may reuse the buffer once we throw: nobody may still be writing into it.
      await Promise.allSettled(pending);
      throw error;
    }
    for (const result of await Promise.allSettled(pending)) if (result.status === "rejected") throw result.reason;
  }

  async locate(offset: number, limit: number, signal?: AbortSignal): Promise<Located> {
    requireInside(this, offset, limit);
    const { length, source } = await this.#find(offset, limit, signal);
    if (source === null) return { kind: "zero", length };
    return (await source.locate?.(offset, length, signal)) ?? { kind: "read", length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const results = await Promise.allSettled(
      [...this.#layers, this.#base].map((source) => source[Symbol.asyncDispose]()),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}
