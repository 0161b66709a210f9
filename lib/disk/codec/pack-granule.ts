/** How the granules of a compressed target are packed, as plain data, and the packing of one of them. */
import { isZero } from "../zeros.ts";
import { looksIncompressible } from "./incompressible.ts";
import { roomFor } from "./node-zlib.ts";
import { deflate, zstd } from "./pack.ts";

export interface Packing {
  /** Bytes, a power of two of at most 2 MiB. */
  readonly granule: number;
  /** `deflate`: RFC 1951. `zlib`: the same with RFC 1950's head and checksum. `zstd`: one frame. */
  readonly codec: "deflate" | "zlib" | "zstd";
  readonly level: number;
  /** What does not get shorter: stays as it is, or becomes a zlib stream that stores it. */
  readonly hopeless: "keep" | "store";
}

/** Room that `count` granules take at most, one behind another. */
export function roomForGranules({ granule }: Packing, count: number): number {
  return count * roomFor(granule);
}

/**
 * Packs `bytes`, a whole granule, to the start of `room` and answers the length: 0 for zeros, that of the granule for
 * one that stays as it is.
 */
export function packGranule({ codec, level, hopeless }: Packing, bytes: Uint8Array, room: Uint8Array): number {
  if (isZero(bytes)) return 0;
  // zstd finds out by itself what does not compress, in less time than a look takes.
  if (codec === "zstd" || !looksIncompressible(bytes)) {
    const shorter = room.subarray(0, bytes.length - 1);
    const length =
      codec === "zstd"
        ? zstd(bytes, shorter, level)
        : deflate(bytes, shorter, codec === "zlib" ? "zlib" : "raw", level);
    if (length > 0) return length;
  }
  if (hopeless === "store") return deflate(bytes, room, "zlib", 0);
  room.set(bytes);
  return bytes.length;
}
