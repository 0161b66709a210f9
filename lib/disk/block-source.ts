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

/** Bytes of the disk that lie compressed in one file. */
export interface Packed {
  readonly bytes: ByteSource;
  readonly form: PackedForm;
  readonly parts: readonly PackedPart[];
}

/**
 * `deflate`: RFC 1951. `zstd`: one frame. `grain`: the disk's sector (64 bits), the length of what follows (32 bits),
 * then RFC 1950. Numbers are little-endian, and after each of them other bytes may follow.
 */
export type PackedForm = "deflate" | "zstd" | "grain";

/** Of a packed granule: how much of the disk that is, and where the granule begins in the file. */
export interface PackedPart {
  readonly length: number;
  readonly at: number;
  /** Bytes of the file from there on that hold it, if it is not damaged; more than that may be in it. */
  readonly size: number;
  /** The part is the granule, neither its end nor its beginning is missing. */
  readonly whole: boolean;
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
