/** One image of a chain: what it holds itself, and what it leaves to the image below it. */
import type { BlockSource } from "./block-source.ts";
import { requireInside } from "./mapped-disk.ts";

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
  return { ...cutDisk(layer, size), held: (offset, limit, signal) => layer.held(offset, limit, signal) };
}

/** The first `size` bytes of a disk, which has at least as many. Owns it. */
export function cutDisk(disk: BlockSource, size: number): BlockSource {
  return {
    size,
    async *extents(signal) {
      for await (const extent of disk.extents(signal)) {
        if (extent.offset >= size) return;
        yield { ...extent, length: Math.min(extent.length, size - extent.offset) };
      }
    },
    async read(offset, into, signal) {
      requireInside({ size }, offset, into.length);
      await disk.read(offset, into, signal);
    },
    ...(disk.locate === undefined ? {} : { locate: disk.locate.bind(disk) }),
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}
