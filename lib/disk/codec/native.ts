/**
 * libdeflate and libzstd by FFI, where they are installed: half to a quarter of the time that Node's own zlib takes
 * for the same size. Whoever calls has a way without them.
 */
import { createRequire } from "node:module";
import type Koffi from "koffi";
import type { LibraryHandle } from "koffi";

/** A function of a C library, on this thread or on one of libuv's pool. Buffers must live until the call ends. */
type Call<A extends unknown[], R> = ((...args: A) => R) & {
  async(...args: [...A, (error: unknown, result: R) => void]): void;
};
/** A pointer that only the library understands. */
export type Handle = unknown;

/** libdeflate.h, version 1.0 and later. */
export interface Deflate {
  readonly newCompressor: (level: number) => Handle;
  readonly freeCompressor: (compressor: Handle) => void;
  /** Bytes written, 0 when they do not fit. */
  readonly compress: Readonly<
    Record<Wrapper, Call<[c: Handle, input: Uint8Array, n: number, out: Uint8Array, room: number], number>>
  >;
  readonly newDecompressor: () => Handle;
  readonly freeDecompressor: (decompressor: Handle) => void;
  /** 0 when all is well; `used` and `made` are size_t that it fills. */
  readonly decompress: Readonly<
    Record<
      Wrapper,
      Call<
        [d: Handle, input: Uint8Array, n: number, out: Uint8Array, room: number, used: Uint8Array, made: Uint8Array],
        number
      >
    >
  >;
}

/** zstd.h, version 1.3 and later. Sizes above any buffer are error codes. */
export interface Zstd {
  readonly newCompressor: () => Handle;
  readonly freeCompressor: (compressor: Handle) => number;
  readonly compress: Call<
    [c: Handle, out: Uint8Array, room: number, input: Uint8Array, n: number, level: number],
    number | bigint
  >;
  readonly newDecompressor: () => Handle;
  readonly freeDecompressor: (decompressor: Handle) => number;
  readonly decompress: Call<[d: Handle, out: Uint8Array, room: number, input: Uint8Array, n: number], number | bigint>;
}

/** `zlib`: with RFC 1950's head and checksum. `raw`: RFC 1951 alone. */
export type Wrapper = "zlib" | "raw";

/** Set to `off`, nothing is loaded: for machines whose libraries are broken, and for tests. */
const SWITCH = "SUPRAVISOR_NATIVE_CODECS";
const NAMES = {
  deflate: ["libdeflate.so.0", "libdeflate.0.dylib"],
  zstd: ["libzstd.so.1", "libzstd.1.dylib"],
} as const;

function load(names: readonly string[]): LibraryHandle | null {
  if (process.env[SWITCH] === "off") return null;
  for (const name of names) {
    try {
      const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
      return koffi.load(name);
    } catch {
      // Not installed under this name, or no koffi for this platform.
    }
  }
  return null;
}

export function loadDeflate(): Deflate | null {
  const library = load(NAMES.deflate);
  if (library === null) return null;
  const compressor = (name: string) =>
    library.func(`size_t ${name}(void *c, const void *input, size_t n, void *out, size_t room)`);
  const decompressor = (name: string) =>
    library.func(`int ${name}(void *d, const void *input, size_t n, void *out, size_t room, void *used, void *made)`);
  try {
    return {
      newCompressor: library.func("void *libdeflate_alloc_compressor(int level)"),
      freeCompressor: library.func("void libdeflate_free_compressor(void *c)"),
      compress: { zlib: compressor("libdeflate_zlib_compress"), raw: compressor("libdeflate_deflate_compress") },
      newDecompressor: library.func("void *libdeflate_alloc_decompressor()"),
      freeDecompressor: library.func("void libdeflate_free_decompressor(void *d)"),
      decompress: {
        zlib: decompressor("libdeflate_zlib_decompress_ex"),
        raw: decompressor("libdeflate_deflate_decompress_ex"),
      },
    };
  } catch {
    // A library of that name without these functions.
    return null;
  }
}

export function loadZstd(): Zstd | null {
  const library = load(NAMES.zstd);
  if (library === null) return null;
  try {
    return {
      newCompressor: library.func("void *ZSTD_createCCtx()"),
      freeCompressor: library.func("size_t ZSTD_freeCCtx(void *c)"),
      compress: library.func(
        "size_t ZSTD_compressCCtx(void *c, void *out, size_t room, const void *input, size_t n, int level)",
      ),
      newDecompressor: library.func("void *ZSTD_createDCtx()"),
      freeDecompressor: library.func("size_t ZSTD_freeDCtx(void *d)"),
      decompress: library.func(
        "size_t ZSTD_decompressDCtx(void *d, void *out, size_t room, const void *input, size_t n)",
      ),
    };
  } catch {
    return null;
  }
}
