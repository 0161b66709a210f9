/** The fingerprint of a disk whose bytes come in any order, each at most once. */
import { hash } from "node:crypto";
import { fingerprintOf, join, LEAF_BYTES, zeroTree } from "./fingerprint-tree.ts";
import { isZero } from "./zeros.ts";

/** Leaves of which a part has come: kept in memory up to so many, then put aside. 1 MiB each. */
const MOST_PARTIAL = 32;

/** Where leaves wait for their other parts; zeros where nothing was written. */
export interface LeafStore {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  read(offset: number, into: Uint8Array): Promise<void>;
}

interface Partial {
  /** null: put aside. */
  bytes: Buffer | null;
  taken: number;
}

export class AnyOrderFingerprinter {
  readonly #size: number;
  readonly #store: () => Promise<LeafStore>;
  readonly #tree = new AnyOrderTree();
  /** By number of the leaf; insertion order is age. */
  readonly #partial = new Map<number, Partial>();
  #inMemory = 0;

  /** `store` is asked for when leaves come in too many pieces at once. */
  constructor(size: number, store: () => Promise<LeafStore>) {
    this.#size = size;
    this.#store = store;
  }

  /** The bytes may be reused once this resolves. */
  async data(offset: number, bytes: Uint8Array): Promise<void> {
    for (let pos = 0; pos < bytes.length; ) {
      const leaf = Math.floor((offset + pos) / LEAF_BYTES);
      const from = offset + pos - leaf * LEAF_BYTES;
      const part = bytes.subarray(pos, Math.min(bytes.length, pos + LEAF_BYTES - from));
      pos += part.length;
      if (part.length === LEAF_BYTES) this.#digest(leaf, part);
      else await this.#addPart(leaf, from, part);
    }
  }

  async #addPart(leaf: number, from: number, part: Uint8Array): Promise<void> {
    let partial = this.#partial.get(leaf);
    if (partial === undefined) {
      if (this.#inMemory === MOST_PARTIAL) await this.#putAside();
      this.#partial.set(leaf, (partial = { bytes: Buffer.alloc(LEAF_BYTES), taken: 0 }));
      this.#inMemory++;
    }
    partial.taken += part.length;
    if (partial.bytes === null) await (await this.#store()).write(leaf * LEAF_BYTES + from, part);
    else partial.bytes.set(part, from);
    if (partial.taken >= Math.min(LEAF_BYTES, this.#size - leaf * LEAF_BYTES)) await this.#end(leaf, partial);
  }

  async #putAside(): Promise<void> {
    for (const [leaf, partial] of this.#partial) {
      if (partial.bytes === null) continue;
      await (await this.#store()).write(leaf * LEAF_BYTES, partial.bytes);
      partial.bytes = null;
      this.#inMemory--;
      return;
    }
  }

  async #end(leaf: number, partial: Partial): Promise<void> {
    let { bytes } = partial;
    if (bytes === null) {
      bytes = Buffer.alloc(LEAF_BYTES);
      await (await this.#store()).read(leaf * LEAF_BYTES, bytes);
    } else this.#inMemory--;
    this.#digest(leaf, bytes);
    this.#partial.delete(leaf);
  }

  #digest(leaf: number, bytes: Uint8Array): void {
    if (!isZero(bytes)) this.#tree.leaf(leaf, hash("sha256", bytes, "buffer"));
  }

  /** What never came is zeros. */
  async finish(): Promise<string> {
    for (const [leaf, partial] of this.#partial) await this.#end(leaf, partial);
    return this.#tree.finish(this.#size);
  }
}

/** Whole subtrees are joined at once, so what stands in memory are the edges of what has come, not all leaves. */
class AnyOrderTree {
  /** By level, then by number: subtrees that wait for their other half. What is missing is zeros. */
  readonly #levels: Map<number, Buffer>[] = [];

  leaf(index: number, digest: Buffer): void {
    let level = 0;
    let at = index;
    let whole = digest;
    for (;;) {
      const nodes = (this.#levels[level] ??= new Map());
      const other = at % 2 === 0 ? at + 1 : at - 1;
      const half = nodes.get(other);
      if (half === undefined) {
        nodes.set(at, whole);
        return;
      }
      nodes.delete(other);
      whole = at % 2 === 0 ? join(whole, half) : join(half, whole);
      at = Math.floor(at / 2);
      level++;
    }
  }

  finish(size: number): string {
    let height = 0;
    while (2 ** height < Math.max(1, Math.ceil(size / LEAF_BYTES))) height++;
    for (let level = 0; level < height; level++) {
      const nodes = this.#levels[level];
      if (nodes === undefined) continue;
      const above = (this.#levels[level + 1] ??= new Map());
      for (const [at, digest] of nodes) {
        // Both halves may be here by now: those that were made from a part and zeros.
        const other = nodes.get(at % 2 === 0 ? at + 1 : at - 1) ?? zeroTree(level);
        above.set(Math.floor(at / 2), at % 2 === 0 ? join(digest, other) : join(other, digest));
      }
    }
    return fingerprintOf(size, this.#levels[height]?.get(0) ?? zeroTree(height));
  }
}
