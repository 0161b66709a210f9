/** A disk of nothing but zeros. */
import type { Extent, Located } from "./block-source.ts";
import type { Held, Layer } from "./layer.ts";
import { requireInside } from "./mapped-disk.ts";

export class ZeroDisk implements Layer {
  readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  async *extents(): AsyncIterable<Extent> {
    if (this.size > 0) yield { offset: 0, length: this.size, kind: "zero" };
  }

  held(_offset: number, limit: number): Held {
    return { length: limit, kind: "zero" };
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    requireInside(this, offset, into.length);
    into.fill(0);
  }

  locate(offset: number, limit: number): Located {
    requireInside(this, offset, limit);
    return { kind: "zero", length: limit };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Holds nothing.
  }
}
