/** The libraries of this thread and what their calls need beside the bytes. */
import { Lanes } from "./lanes.ts";
import { loadDeflate, loadZstd, type Deflate, type Handle, type Zstd } from "./native.ts";

/** size_t. */
const SIZE_BYTES = 8;

/** Made when they are first needed. */
export interface Contexts {
  /** By level. */
  readonly deflaters: Map<number, Handle>;
  inflater: Handle | null;
  zstd: Handle | null;
  unzstd: Handle | null;
  /** Two size_t that a call fills. */
  readonly used: Buffer;
  readonly made: Buffer;
}

interface Codecs {
  readonly deflate: Deflate | null;
  readonly zstd: Zstd | null;
  readonly lanes: Lanes<Contexts>;
}

let loaded: Codecs | null = null;

export function codecs(): Codecs {
  if (loaded !== null) return loaded;
  const deflate = loadDeflate();
  const zstd = loadZstd();
  const make = (): Contexts => ({
    deflaters: new Map(),
    inflater: null,
    zstd: null,
    unzstd: null,
    used: Buffer.alloc(SIZE_BYTES),
    made: Buffer.alloc(SIZE_BYTES),
  });
  const end = (lane: Contexts) => {
    for (const handle of lane.deflaters.values()) deflate?.freeCompressor(handle);
    if (lane.inflater !== null) deflate?.freeDecompressor(lane.inflater);
    if (lane.zstd !== null) zstd?.freeCompressor(lane.zstd);
    if (lane.unzstd !== null) zstd?.freeDecompressor(lane.unzstd);
  };
  return (loaded = { deflate, zstd, lanes: new Lanes(make, end) });
}

/** Whether libdeflate does the work: its levels are not zlib's. */
export function hasLibdeflate(): boolean {
  return codecs().deflate !== null;
}

/** Throws when the library had no memory for it. */
export function made(handle: Handle): Handle {
  if (handle === null) throw new Error("a codec could not get its memory");
  return handle;
}
