/** The disk as the guest sees it, at random access. Every format opens to this; what passes by once is a DiskStream. */
import type { ByteSource } from "./io.ts";

/** `zero` reads as zeros and need not be stored; `data` must be read. Bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly kind: "data" | "zero";
}

/** Where `length` bytes of the disk lie: as they are in a file, nowhere since they are zeros, or only `read` can tell. */
export type Located =
  | { readonly kind: "file"; readonly length: number; readonly bytes: ByteSource; readonly at: number }
  | { readonly kind: "zero"; readonly length: number }
  | { readonly kind: "read"; readonly length: number; readonly packed?: Packed };

/** Bytes of the disk that lie compressed in one file, in parts: how much of the disk, and where each part begins. */
export interface Packed {
  readonly bytes: ByteSource;
  readonly parts: readonly { readonly length: number; readonly at: number }[];
}

export interface BlockSource extends AsyncDisposable {
  /** Virtual size in bytes. */
  readonly size: number;
  /** Sorted, disjoint, covers [0, size) whole; neighbours differ in kind. */
  extents(signal?: AbortSignal): AsyncIterable<Extent>;
  /** Fills `into` from `offset`; zeros for holes. Throws past the end. Concurrent reads are allowed. */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Where the bytes from `offset` on lie, so that a copy need not fetch them through `read`: at least one byte, at
   * most `limit`. Absent: only `read` can tell. Throws what `read` throws.
   */
  locate?(offset: number, limit: number, signal?: AbortSignal): Located | Promise<Located>;
}
