/** A target file before it exists: a list of segments with a known total length. */
import type { Preallocation } from "./preallocation.ts";

export type Segment =
  | { readonly at: number; readonly length: number; readonly kind: "meta"; readonly bytes: () => Uint8Array }
  /** `length` bytes of the disk from `offset`. */
  | { readonly at: number; readonly length: number; readonly kind: "disk"; readonly offset: number }
  | { readonly at: number; readonly length: number; readonly kind: "zero" };

/** A small file that describes the disk and names the other, beside it, which holds the data: both or neither. */
export interface FilePair {
  readonly main: FilePlan;
  readonly data: FilePlan;
  /** A plain name, in the main file's folder. */
  readonly dataName: string;
}

export interface FilePlan {
  /** Exact length of the target file in bytes. */
  readonly length: number;
  /** Space to be set aside first. Absent: zeros need not be stored. */
  readonly preallocation?: Preallocation;
  /** Segments that touch [from, to), sorted by `at`, gapless over the file. Not cut to the range. */
  segments(from?: number, to?: number): Iterable<Segment>;
}
