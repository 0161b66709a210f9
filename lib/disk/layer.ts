/** One image of a chain: what it holds itself, and what it leaves to the image below it. */
import type { BlockSource } from "./block-source.ts";

/** `length` bytes from the asked offset: the layer's own, zeros, or whatever its parent holds there. */
export interface Held {
  readonly length: number;
  readonly kind: "data" | "zero" | "parent";
}

/** Read alone, without its parent, the parent's part of it reads as zeros. */
export interface Layer extends BlockSource {
  /** Answers at least one byte and at most `limit`, as many as it can tell at once. Throws `image.*` as reading does. */
  held(offset: number, limit: number, signal?: AbortSignal): Held | Promise<Held>;
}

/** The first `size` bytes of a layer that may go on: extents are rounded up to whole grains. Owns it. */
export function firstBytes(layer: Layer, size: number): Layer {
  if (layer.size === size) return layer;
  return {
    size,
    async *extents(signal) {
      for await (const extent of layer.extents(signal)) {
        if (extent.offset >= size) return;
        yield { ...extent, length: Math.min(extent.length, size - extent.offset) };
      }
    },
    read: (offset, into, signal) => layer.read(offset, into, signal),
    held: (offset, limit, signal) => layer.held(offset, limit, signal),
    ...(layer.locate === undefined ? {} : { locate: layer.locate.bind(layer) }),
    [Symbol.asyncDispose]: () => layer[Symbol.asyncDispose](),
  };
}
