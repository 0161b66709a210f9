/** The disk as the guest sees it, at random access. Every format opens to this; what passes by once is a DiskStream. */

/** `zero` reads as zeros and need not be stored; `data` must be read. Bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly kind: "data" | "zero";
}

export interface BlockSource extends AsyncDisposable {
  /** Virtual size in bytes. */
  readonly size: number;
  /** Sorted, disjoint, covers [0, size) whole; neighbours differ in kind. */
  extents(signal?: AbortSignal): AsyncIterable<Extent>;
  /** Fills `into` from `offset`; zeros for holes. Throws past the end. Concurrent reads are allowed. */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
}
