/** What goes to a copy thread and what comes back. Numbers are bytes; everything is plain data. */

/** A stretch of one leaf. A leaf is 1 MiB of the disk, that of the fingerprint; the last one may be cut. */
export interface Piece {
  /** In the leaf. */
  readonly offset: number;
  readonly length: number;
  /** Where its bytes lie: a descriptor and the place in its file; fd -1: they are in the slot already. */
  readonly fd: number;
  readonly at: number;
  /** Where they go in the target; -1: they are hashed only. */
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

export interface LeafJob {
  readonly id: number;
  readonly target: number;
  readonly hash: boolean;
  readonly leaves: readonly Leaf[];
  /** Memory that holds the one leaf, filled where its pieces say so; null: the thread uses its own. */
  readonly slot: Uint8Array | null;
}

/** `end`: the file was shorter than it had been. */
export interface LeafFailure {
  readonly doing: "read" | "write" | "end";
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
      /** Bytes written. */
      readonly moved: number;
      /** One a leaf: 32 bytes, or null for a leaf of zeros. Empty when nothing was to be hashed. */
      readonly digests: readonly (Uint8Array | null)[];
    }
  | { readonly id: number; readonly kind: "failed"; readonly failure: LeafFailure };
