/** What goes to a copy thread and what comes back. Numbers are bytes; everything is plain data. */
import type { PackedForm } from "../block-source.ts";
import type { Packing } from "../codec/pack-granule.ts";

/** A stretch of one leaf. A leaf is 1 MiB of the disk, that of the fingerprint; the last one may be cut. */
export interface Piece {
  /** In the leaf. */
  readonly offset: number;
  readonly length: number;
  /** Where its bytes lie: a descriptor and the place in its file; fd -1: they are in the slot already. */
  readonly fd: number;
  readonly at: number;
  /** They lie there packed, in so many bytes or fewer, and unpack to exactly the piece; null: as they are. */
  readonly packed: { readonly form: PackedForm; readonly size: number } | null;
  /** Where they go in the target; -1: nowhere, they are hashed or packed. */
  readonly to: number;
  /** A gap before it belongs to somebody else in the target. */
  readonly apart: boolean;
}

export interface Leaf {
  /** Number of the leaf on the disk. */
  readonly index: number;
  /** Sorted, disjoint; what lies between is zeros. */
  readonly pieces: readonly Piece[];
}

/**
 * `write`: each piece to its place in an open file. `pack`: the granules one behind another into `out`, which all
 * threads share. The leaves are then of one unit: the larger of leaf and granule.
 */
export type LeafWork =
  | { readonly kind: "write"; readonly target: number }
  | { readonly kind: "pack"; readonly packing: Packing; readonly out: Uint8Array };

export interface LeafJob {
  readonly id: number;
  readonly work: LeafWork;
  readonly hash: boolean;
  readonly leaves: readonly Leaf[];
  /** Memory that holds the one leaf or unit, filled where its pieces say so; null: the thread uses its own. */
  readonly slot: Uint8Array | null;
}

/** `end`: the file was shorter than it had been. `unpack`: only who knows the format can say what is wrong. */
export interface LeafFailure {
  readonly doing: "read" | "write" | "end" | "unpack";
  readonly fd: number;
  readonly at: number;
  readonly length: number;
  readonly code: string;
  readonly message: string;
}

export type LeafAnswer =
  | {
      readonly id: number;
      readonly kind: "done";
      /** Bytes written or packed. */
      readonly moved: number;
      /** One a leaf: 32 bytes, or null for a leaf of zeros. Empty when nothing was to be hashed. */
      readonly digests: readonly (Uint8Array | null)[];
      /** Of the unit's granules, as they were packed: see packGranule. Empty when they were not. */
      readonly lengths: Uint32Array;
    }
  | { readonly id: number; readonly kind: "failed"; readonly failure: LeafFailure };
