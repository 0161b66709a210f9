/** A disk of any size that lies nowhere: pieces of data spread evenly over zeros. */
import type { BlockSource, Extent } from "#lib/disk/block-source.ts";

export const PIECE = 65_536;

export function hugeDisk(size: number, pieces: number): BlockSource {
  // Whole pieces, so that every format's granules meet them at odd places.
  const stride = Math.floor(size / pieces / 4096) * 4096;
  const starts = (i: number) => i * stride;
  return {
    size,
    async *extents(): AsyncIterable<Extent> {
      for (let i = 0; i < pieces; i++) {
        const length = Math.min(PIECE, stride);
        yield { offset: starts(i), length, kind: "data" };
        const end = i + 1 === pieces ? size : starts(i + 1);
        if (end > starts(i) + length)
          yield { offset: starts(i) + length, length: end - starts(i) - length, kind: "zero" };
      }
    },
    async read(offset, into) {
      for (let pos = 0; pos < into.length; ) {
        const within = (offset + pos) % stride;
        const data = within < PIECE && Math.floor((offset + pos) / stride) < pieces;
        const length = Math.min(into.length - pos, data ? PIECE - within : stride - within);
        into.fill(data ? 1 + (Math.floor((offset + pos) / stride) % 255) : 0, pos, pos + length);
        pos += length;
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Takes everything and keeps nothing: for files that no file system here holds. */
export function countingSink() {
  let written = 0;
  return {
    seekable: true,
    get written() {
      return written;
    },
    async write(_offset: number, bytes: Uint8Array): Promise<void> {
      written += bytes.length;
    },
    commit: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
