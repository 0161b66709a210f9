/** Node's own zlib and zstd: what every machine has. */
import { promisify } from "node:util";
import {
  constants,
  deflateRawSync,
  deflateSync,
  inflate,
  inflateRaw,
  inflateRawSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from "node:zlib";
import type { Wrapper } from "./native.ts";

const DEFLATE = { zlib: deflateSync, raw: deflateRawSync } as const;
const INFLATE_NOW = { zlib: inflateSync, raw: inflateRawSync } as const;
const INFLATE = { zlib: promisify(inflate), raw: promisify(inflateRaw) } as const;
const UNZSTD = promisify(zstdDecompress);

/** What deflate and zstd write at most for so many bytes: one buffer, filled by one call. */
export function roomFor(bytes: number): number {
  return bytes + Math.ceil(bytes / 1000) + 256;
}

export function nodeDeflate(input: Uint8Array, wrapper: Wrapper, level: number): Buffer {
  return DEFLATE[wrapper](input, { level, memLevel: level === 0 ? 1 : 9, chunkSize: roomFor(input.length) });
}

/** A stream whose end is missing counts by what it gave. */
const inflateOptions = (most: number) => ({
  maxOutputLength: most,
  chunkSize: most + 64,
  finishFlush: constants.Z_SYNC_FLUSH,
});

/** On libuv's pool. What follows the stream's end is passed over. Rejects when more than `most` bytes come out. */
export function nodeInflate(packed: Uint8Array, wrapper: Wrapper, most: number): Promise<Buffer> {
  return INFLATE[wrapper](packed, inflateOptions(most));
}

/** On this thread. */
export function nodeInflateNow(packed: Uint8Array, wrapper: Wrapper, most: number): Buffer {
  return INFLATE_NOW[wrapper](packed, inflateOptions(most));
}

export function nodeZstd(input: Uint8Array, level: number): Buffer {
  return zstdCompressSync(input, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    // The context is then made for so much, and not for a stream without end.
    pledgedSrcSize: input.length,
    chunkSize: roomFor(input.length),
  });
}

export function nodeUnzstd(packed: Uint8Array, most: number): Promise<Buffer> {
  return UNZSTD(packed, { maxOutputLength: most, chunkSize: most + 64 });
}

export function nodeUnzstdNow(packed: Uint8Array, most: number): Buffer {
  return zstdDecompressSync(packed, { maxOutputLength: most, chunkSize: most + 64 });
}
