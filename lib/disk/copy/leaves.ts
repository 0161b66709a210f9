/** A plan cut for copy threads: tables to be written at once, and the disk by leaves of its fingerprint. */
import type { BlockSource } from "../block-source.ts";
import { ExtentCursor } from "../extent-cursor.ts";
import { LEAF_BYTES } from "../fingerprint-tree.ts";
import type { FilePlan, Segment } from "../plan.ts";
import type { Cloner } from "./cloner.ts";
import { SHORTEST_GAP } from "../plan-chunks.ts";

/** Tables that lie together are written together, up to so much. */
const TABLES_BYTES = 262_144;

export interface Stretch {
  readonly offset: number;
  readonly length: number;
  /** Offset in the target, -1 when the plan has no place for it: it is read for the fingerprint alone. */
  readonly to: number;
  /** A table lies before it in the target: the gap must not be written over. */
  readonly apart: boolean;
}

export type CopyItem =
  | { readonly kind: "tables"; readonly at: number; readonly bytes: Uint8Array }
  /** Sorted, disjoint, all in the leaf `index`. Leaves go forward; `again`: this one does not, and cannot be hashed. */
  | { readonly kind: "leaf"; readonly index: number; readonly stretches: readonly Stretch[]; readonly again: boolean };

export interface CopyItemsOptions {
  readonly plan: FilePlan;
  readonly disk: BlockSource;
  readonly all: boolean;
  /** Puts stretches of the disk into the target without reading them; null: none. */
  readonly cloner: Cloner | null;
  readonly signal: AbortSignal | undefined;
}

/**
 * In the order of the plan. With `all`, data of the disk that the plan leaves out comes as well: the fingerprint is
 * the source's, so that a target that lost something shows when its own is compared.
 */
export async function* copyItems(options: CopyItemsOptions): AsyncIterable<CopyItem> {
  const { plan, disk, all, cloner, signal } = options;
  await using cursor = all ? new ExtentCursor(disk, signal) : null;
  /** All before it was given out. */
  let settled = 0;
  let leaf: Stretch[] = [];
  let again = false;
  let apart = false;
  const tables = new Tables();

  const takeLeaf = (): CopyItem | null => {
    const first = leaf[0];
    if (first === undefined) return null;
    const item: CopyItem = { kind: "leaf", index: Math.floor(first.offset / LEAF_BYTES), stretches: leaf, again };
    leaf = [];
    return item;
  };
  /** Data between what the plan has asked for and `to`; full leaves are given out. */
  async function* missed(to: number): AsyncIterable<CopyItem> {
    if (cursor === null || to <= settled) return;
    for await (const extent of cursor.range(settled, to)) {
      if (extent.kind === "data") yield* add(extent.offset, extent.length, -1);
    }
    settled = to;
  }
  function* add(offset: number, length: number, to: number): Iterable<CopyItem> {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const index = Math.floor(at / LEAF_BYTES);
      const step = Math.min(length - done, (index + 1) * LEAF_BYTES - at);
      const last = leaf.at(-1);
      if (last !== undefined && (Math.floor(last.offset / LEAF_BYTES) !== index || at < last.offset + last.length)) {
        const item = takeLeaf();
        if (item !== null) yield item;
      }
      leaf.push({ offset: at, length: step, to: to < 0 ? -1 : to + done, apart });
      apart = false;
      done += step;
    }
  }

  for (const segment of plan.segments()) {
    signal?.throwIfAborted();
    if (segment.kind !== "disk") {
      apart ||= segment.kind === "meta";
      yield* tables.take(segment);
      continue;
    }
    if (segment.offset < settled) again = true;
    else {
      yield* missed(segment.offset);
      settled = segment.offset + segment.length;
    }
    if (cloner === null) {
      yield* add(segment.offset, segment.length, segment.at);
      continue;
    }
    let done = 0;
    for await (const part of cloner.parts(segment.offset, segment.length, segment.at, signal)) {
      if (!part.cloned) yield* add(segment.offset + done, part.length, segment.at + done);
      else if (all) yield* add(segment.offset + done, part.length, -1);
      done += part.length;
    }
  }
  yield* missed(disk.size);
  const item = takeLeaf();
  if (item !== null) yield item;
  yield* tables.end();
}

/** Large enough to be written alone. */
const ALONE_BYTES = 32_768;

/** Gathers small neighbours, with short zeros between them. */
class Tables {
  #at = 0;
  #parts: Uint8Array[] = [];
  #length = 0;

  *take(segment: Exclude<Segment, { kind: "disk" }>): Iterable<CopyItem> {
    if (segment.kind === "zero") {
      const joins = segment.at === this.#at + this.#length && this.#length > 0 && segment.length < SHORTEST_GAP;
      if (joins) this.#push(new Uint8Array(segment.length));
      return;
    }
    if (segment.length >= ALONE_BYTES) {
      yield* this.end();
      yield { kind: "tables", at: segment.at, bytes: segment.bytes() };
      return;
    }
    if (segment.at !== this.#at + this.#length || this.#length + segment.length > TABLES_BYTES) {
      yield* this.end();
      this.#at = segment.at;
    }
    this.#push(segment.bytes());
  }

  *end(): Iterable<CopyItem> {
    if (this.#length === 0) return;
    const [only] = this.#parts;
    const bytes = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#length);
    yield { kind: "tables", at: this.#at, bytes };
    this.#parts = [];
    this.#length = 0;
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}
