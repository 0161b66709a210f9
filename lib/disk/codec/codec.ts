/**
 * Packing and unpacking of granules (clusters, grains): off this thread, a few at a time, into buffers that the caller
 * owns. By libdeflate and libzstd where they are, by Node's zlib where not; both read what the other wrote.
 */
import { Lanes } from "./lanes.ts";
import { loadDeflate, loadZstd, type Deflate, type Handle, type Wrapper, type Zstd } from "./native.ts";
import { nodeDeflate, nodeInflate, nodeUnzstd, nodeZstd, type DeflateOptions } from "./node-zlib.ts";

/** Below this many bytes a call on this thread takes less than handing it to another. */
const HERE_BYTES = 8192;
/** size_t. */
const SIZE_BYTES = 8;

interface Lane {
  /** By level. */
  readonly deflaters: Map<number, Handle>;
  inflater: Handle | null;
  zstd: Handle | null;
  unzstd: Handle | null;
  readonly sizes: Buffer;
}

let loaded: { readonly deflate: Deflate | null; readonly zstd: Zstd | null; readonly lanes: Lanes<Lane> } | null = null;

function codecs() {
  if (loaded !== null) return loaded;
  const deflate = loadDeflate();
  const zstd = loadZstd();
  const make = (): Lane => ({
    deflaters: new Map(),
    inflater: null,
    zstd: null,
    unzstd: null,
    sizes: Buffer.alloc(2 * SIZE_BYTES),
  });
  const end = (lane: Lane) => {
    for (const handle of lane.deflaters.values()) deflate?.freeCompressor(handle);
    if (lane.inflater !== null) deflate?.freeDecompressor(lane.inflater);
    if (lane.zstd !== null) zstd?.freeCompressor(lane.zstd);
    if (lane.unzstd !== null) zstd?.freeDecompressor(lane.unzstd);
  };
  return (loaded = { deflate, zstd, lanes: new Lanes(make, end) });
}

/** Whether libdeflate does the work where a window of 32 KiB is allowed: its levels are not zlib's. */
export function hasLibdeflate(): boolean {
  return codecs().deflate !== null;
}

/**
 * Writes a deflate stream to the start of `out` and answers its length, 0 when it is longer than `out`. Neither buffer
 * may be touched until this settles.
 */
export async function deflate(input: Uint8Array, out: Uint8Array, options: DeflateOptions): Promise<number> {
  const { deflate: native, lanes } = codecs();
  // libdeflate knows no smaller window.
  if (native === null || (options.windowBits < 15 && options.level > 0)) {
    const node = (here: boolean) => nodeDeflate(input, options, here);
    return fit(input.length <= HERE_BYTES ? await node(true) : await lanes.run(async () => node(false)), out);
  }
  const compressor = (lane: Lane) => {
    const known = lane.deflaters.get(options.level);
    if (known !== undefined) return known;
    const fresh = made(native.newCompressor(options.level));
    lane.deflaters.set(options.level, fresh);
    return fresh;
  };
  const compress = native.compress[options.wrapper];
  // Storing is a copy and a checksum.
  if (input.length <= HERE_BYTES || options.level === 0) {
    return lanes.now((lane) => compress(compressor(lane), input, input.length, out, out.length));
  }
  return lanes.run((lane) =>
    settled((done) => compress.async(compressor(lane), input, input.length, out, out.length, done), input, out),
  );
}

/**
 * Unpacks one deflate stream to the start of `into` and answers how many bytes that were; what follows the stream is
 * passed over. Rejects with an Error that has no words for a person when the stream is damaged or `into` too small.
 */
export async function inflate(packed: Uint8Array, into: Uint8Array, wrapper: Wrapper): Promise<number> {
  const { deflate: native, lanes } = codecs();
  const here = into.length <= HERE_BYTES;
  if (native !== null) {
    const decompress = native.decompress[wrapper];
    const begin = (lane: Lane) => (lane.inflater ??= made(native.newDecompressor()));
    const args = (lane: Lane) =>
      [
        begin(lane),
        packed,
        packed.length,
        into,
        into.length,
        lane.sizes.subarray(0, SIZE_BYTES),
        lane.sizes.subarray(SIZE_BYTES),
      ] as const;
    const length = (lane: Lane, outcome: number) =>
      outcome === 0 ? Number(lane.sizes.readBigUInt64LE(SIZE_BYTES)) : null;
    const found = here
      ? lanes.now((lane) => length(lane, decompress(...args(lane))))
      : await lanes.run(async (lane) =>
          length(lane, await settled((done) => decompress.async(...args(lane), done), packed, into)),
        );
    if (found !== null) return found;
    // zlib is the judge of what is damaged: it takes streams without an end, and it says what is wrong.
  }
  const node = () => nodeInflate(packed, wrapper, into.length, here);
  return copy(here ? await node() : await lanes.run(async () => node()), into);
}

/** A zstd frame, as `deflate` does it. */
export async function zstd(input: Uint8Array, out: Uint8Array, level: number): Promise<number> {
  const { zstd: native, lanes } = codecs();
  const here = input.length <= HERE_BYTES;
  if (native === null) {
    return fit(
      here ? await nodeZstd(input, level, true) : await lanes.run(async () => nodeZstd(input, level, false)),
      out,
    );
  }
  const compressor = (lane: Lane) => (lane.zstd ??= made(native.newCompressor()));
  const length = (result: number | bigint) => (typeof result === "number" && result <= out.length ? result : 0);
  if (here) {
    return lanes.now((lane) => length(native.compress(compressor(lane), out, out.length, input, input.length, level)));
  }
  return lanes.run(async (lane) => {
    const call = (done: Done<number | bigint>) =>
      native.compress.async(compressor(lane), out, out.length, input, input.length, level, done);
    return length(await settled(call, input, out));
  });
}

/** Unpacks whole zstd frames, nothing behind them, to the start of `into`; answers and rejects as `inflate` does. */
export async function unzstd(packed: Uint8Array, into: Uint8Array): Promise<number> {
  const { zstd: native, lanes } = codecs();
  const here = into.length <= HERE_BYTES;
  if (native === null) {
    const node = () => nodeUnzstd(packed, into.length, here);
    return copy(here ? await node() : await lanes.run(async () => node()), into);
  }
  const begin = (lane: Lane) => (lane.unzstd ??= made(native.newDecompressor()));
  if (here) {
    return lanes.now((lane) =>
      size(native.decompress(begin(lane), into, into.length, packed, packed.length), into.length),
    );
  }
  return lanes.run(async (lane) => {
    const call = (done: Done<number | bigint>) =>
      native.decompress.async(begin(lane), into, into.length, packed, packed.length, done);
    return size(await settled(call, packed, into), into.length);
  });
}

type Done<R> = (error: unknown, result: R) => void;

/** `held` are the buffers that a pool thread works on: this closure keeps them until it is done. */
function settled<R>(start: (done: Done<R>) => void, ...held: Uint8Array[]): Promise<R> {
  return new Promise((resolve, reject) =>
    start((error, result) => {
      held.length = 0;
      if (error === null || error === undefined) resolve(result);
      else reject(error instanceof Error ? error : new Error("a call into a library failed"));
    }),
  );
}

function made(handle: Handle): Handle {
  if (handle === null) throw new Error("a codec could not get its memory");
  return handle;
}

/** A size_t of libzstd. */
function size(result: number | bigint, room: number): number {
  if (typeof result === "bigint" || result > room) throw new Error("zstd refused the data");
  return result;
}

function fit(packed: Uint8Array, out: Uint8Array): number {
  return packed.length > out.length ? 0 : copy(packed, out);
}

function copy(bytes: Uint8Array, into: Uint8Array): number {
  into.set(bytes);
  return bytes.length;
}
