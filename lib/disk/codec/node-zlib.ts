/** Node's own zlib and zstd, on libuv's pool: what every machine has. */
import { promisify } from "node:util";
import {
  constants,
  deflate,
  deflateRaw,
  deflateRawSync,
  deflateSync,
  inflate,
  inflateRaw,
  inflateRawSync,
  inflateSync,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
  type InputType,
  type ZlibOptions,
  type ZstdOptions,
} from "node:zlib";
import type { Wrapper } from "./native.ts";

type Away<O> = (bytes: InputType, options: O) => Promise<Buffer>;
type Here<O> = (bytes: InputType, options: O) => Buffer;

const AWAY = {
  deflate: { zlib: promisify(deflate), raw: promisify(deflateRaw) } satisfies Record<Wrapper, Away<ZlibOptions>>,
  inflate: { zlib: promisify(inflate), raw: promisify(inflateRaw) } satisfies Record<Wrapper, Away<ZlibOptions>>,
  pack: promisify(zstdCompress) satisfies Away<ZstdOptions>,
  unpack: promisify(zstdDecompress) satisfies Away<ZstdOptions>,
};
const HERE = {
  deflate: { zlib: deflateSync, raw: deflateRawSync } satisfies Record<Wrapper, Here<ZlibOptions>>,
  inflate: { zlib: inflateSync, raw: inflateRawSync } satisfies Record<Wrapper, Here<ZlibOptions>>,
  pack: zstdCompressSync satisfies Here<ZstdOptions>,
  unpack: zstdDecompressSync satisfies Here<ZstdOptions>,
};

/** What deflate and zstd write at most for so many bytes: one buffer, filled by one call. */
export function roomFor(bytes: number): number {
  return bytes + Math.ceil(bytes / 1000) + 256;
}

export interface DeflateOptions {
  readonly wrapper: Wrapper;
  /** 0 stores; 1 is fast, 9 is small. */
  readonly level: number;
  /** How far back a match may lie, as a power of two: 15, or less for readers that keep less. */
  readonly windowBits: number;
}

/** `here`: on this thread, for pieces so small that handing them over would cost more. */
export function nodeDeflate(input: Uint8Array, options: DeflateOptions, here: boolean): Promise<Buffer> | Buffer {
  const { wrapper, level, windowBits } = options;
  const given = { level, windowBits, memLevel: level === 0 ? 1 : 9, chunkSize: roomFor(input.length) };
  return here ? HERE.deflate[wrapper](input, given) : AWAY.deflate[wrapper](input, given);
}

/** What follows the stream's end is passed over. Rejects when more than `most` bytes come out. */
export function nodeInflate(packed: Uint8Array, wrapper: Wrapper, most: number, here: boolean) {
  // A stream whose end is missing counts by what it gave.
  const given = { maxOutputLength: most, chunkSize: most + 64, finishFlush: constants.Z_SYNC_FLUSH };
  return here ? HERE.inflate[wrapper](packed, given) : AWAY.inflate[wrapper](packed, given);
}

export function nodeZstd(input: Uint8Array, level: number, here: boolean): Promise<Buffer> | Buffer {
  const given = {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    // The context is then made for so much, and not for a stream without end.
    pledgedSrcSize: input.length,
    chunkSize: roomFor(input.length),
  };
  return here ? HERE.pack(input, given) : AWAY.pack(input, given);
}

export function nodeUnzstd(packed: Uint8Array, most: number, here: boolean): Promise<Buffer> | Buffer {
  const given = { maxOutputLength: most, chunkSize: most + 64 };
  return here ? HERE.unpack(packed, given) : AWAY.unpack(packed, given);
}
