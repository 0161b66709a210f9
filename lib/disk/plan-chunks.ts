/** A plan cut into writes of about 1 MiB: metadata and data that lie together go together, long zeros are left out. */
import type { FilePlan, Segment } from "./plan.ts";

/** Bytes of the disk in one chunk, and where chunks are cut on the disk: a chunk then is one leaf of the fingerprint. */
const STEP = 1024 * 1024;
/** Room beside the data for tables that lie between. */
export const CHUNK_BYTES = STEP + 65_536;
/** Zeros shorter than this are written rather than left out. */
export const SHORTEST_GAP = 16_384;

export type Part =
  | { readonly pos: number; readonly length: number; readonly kind: "disk"; readonly offset: number }
  | { readonly pos: number; readonly length: number; readonly kind: "zero" }
  | {
      readonly pos: number;
      readonly length: number;
      readonly kind: "meta";
      readonly from: number;
      readonly bytes: () => Uint8Array;
    };

export interface Chunk {
  /** Offset in the file. */
  readonly at: number;
  readonly length: number;
  readonly parts: readonly Part[];
}

/** In the order of the file; gaps between chunks are zeros. */
export function* planChunks(plan: FilePlan): Iterable<Chunk> {
  let at = 0;
  let length = 0;
  let parts: Part[] = [];
  const take = (): Chunk => {
    const chunk = { at, length, parts };
    at += length;
    length = 0;
    parts = [];
    return chunk;
  };
  for (const segment of plan.segments()) {
    if (segment.kind === "zero" && (segment.length >= SHORTEST_GAP || length === 0)) {
      if (length > 0) yield take();
      at = segment.at + segment.length;
      continue;
    }
    const bytes = segment.kind === "meta" ? once(segment.bytes) : null;
    for (let done = 0; done < segment.length; ) {
      const step = Math.min(segment.length - done, CHUNK_BYTES - length, toBoundary(segment, done));
      const part = { pos: length, length: step };
      if (segment.kind === "disk") parts.push({ ...part, kind: "disk", offset: segment.offset + done });
      else if (bytes !== null) parts.push({ ...part, kind: "meta", from: done, bytes });
      else parts.push({ ...part, kind: "zero" });
      length += step;
      done += step;
      const cut = segment.kind === "disk" && (segment.offset + done) % STEP === 0 && length >= STEP / 2;
      if (cut || length === CHUNK_BYTES) yield take();
    }
  }
  if (length > 0) yield take();
}

function toBoundary(segment: Segment, done: number): number {
  return segment.kind === "disk" ? STEP - ((segment.offset + done) % STEP) : Number.POSITIVE_INFINITY;
}

/** A table that reaches over two chunks is made once. */
function once(make: () => Uint8Array): () => Uint8Array {
  let made: Uint8Array | null = null;
  return () => (made ??= make());
}
