/** Several disks behind one another, as one. */
import type { Extent, Located } from "./block-source.ts";
import type { Held, Layer } from "./layer.ts";
import { mergeExtents, requireInside } from "./mapped-disk.ts";

export class ConcatDisk implements Layer {
  readonly size: number;
  readonly #parts: readonly { readonly start: number; readonly disk: Layer }[];

  /** Owns its parts. */
  constructor(disks: readonly Layer[]) {
    let start = 0;
    this.#parts = disks.map((disk) => {
      const part = { start, disk };
      start += disk.size;
      return part;
    });
    this.size = start;
  }

  extents(signal?: AbortSignal): AsyncIterable<Extent> {
    return mergeExtents(this.#all(signal));
  }

  async *#all(signal: AbortSignal | undefined): AsyncIterable<Extent> {
    for (const { start, disk } of this.#parts) {
      for await (const extent of disk.extents(signal)) yield { ...extent, offset: start + extent.offset };
    }
  }

  held(offset: number, limit: number, signal?: AbortSignal): Held | Promise<Held> {
    const part = this.#parts[this.#partAt(offset)];
    if (part === undefined) return { length: limit, kind: "zero" };
    const within = offset - part.start;
    return part.disk.held(within, Math.min(limit, part.disk.size - within), signal);
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    requireInside(this, offset, into.length);
    let done = 0;
    for (let i = this.#partAt(offset); done < into.length; i++) {
      const part = this.#parts[i];
      if (part === undefined) return;
      const within = offset + done - part.start;
      const length = Math.min(into.length - done, part.disk.size - within);
      if (length > 0) await part.disk.read(within, into.subarray(done, done + length), signal);
      done += Math.max(length, 0);
    }
  }

  locate(offset: number, limit: number, signal?: AbortSignal): Located | Promise<Located> {
    requireInside(this, offset, limit);
    const part = this.#parts[this.#partAt(offset)];
    const within = offset - (part?.start ?? 0);
    const length = Math.min(limit, (part?.disk.size ?? 0) - within);
    return part?.disk.locate?.(within, length, signal) ?? { kind: "read", length };
  }

  /** Index of the last part that begins at or before `offset`. */
  #partAt(offset: number): number {
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#parts[middle]?.start ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const results = await Promise.allSettled(this.#parts.map(({ disk }) => disk[Symbol.asyncDispose]()));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}
