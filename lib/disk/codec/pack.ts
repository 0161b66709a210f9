/**
 * Packing of granules (clusters, grains), on the thread that calls. By libdeflate and libzstd where they are, by Node's
 * zlib where not; both read what the other wrote.
 */
import { codecs, made } from "./contexts.ts";
import type { Wrapper } from "./native.ts";
import { nodeDeflate, nodeZstd } from "./node-zlib.ts";

/** Writes a deflate stream to the start of `out` and answers its length, 0 when it is longer than `out`. Level 0 stores. */
export function deflate(input: Uint8Array, out: Uint8Array, wrapper: Wrapper, level: number): number {
  const { deflate: native, lanes } = codecs();
  if (native === null) return fit(nodeDeflate(input, wrapper, level), out);
  return lanes.now(({ deflaters }) => {
    let compressor = deflaters.get(level);
    if (compressor === undefined) {
      compressor = made(native.newCompressor(level));
      deflaters.set(level, compressor);
    }
    return native.compress[wrapper](compressor, input, input.length, out, out.length);
  });
}

/** A zstd frame, as `deflate` does it. */
export function zstd(input: Uint8Array, out: Uint8Array, level: number): number {
  const { zstd: native, lanes } = codecs();
  if (native === null) return fit(nodeZstd(input, level), out);
  return lanes.now((lane) => {
    lane.zstd ??= made(native.newCompressor());
    const result = native.compress(lane.zstd, out, out.length, input, input.length, level);
    // Sizes above any buffer are error codes: here that it does not fit.
    return typeof result === "number" && result <= out.length ? result : 0;
  });
}

function fit(packed: Uint8Array, out: Uint8Array): number {
  if (packed.length > out.length) return 0;
  out.set(packed);
  return packed.length;
}
