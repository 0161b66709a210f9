/** Builds a fingerprint from digests of leaves that copy threads made. */
import { FingerprintTree, LEAF_BYTES } from "../fingerprint-tree.ts";

export class LeafDigests {
  readonly #tree = new FingerprintTree();
  #next = 0;

  /** In the order of the leaves; those left out are zeros. null: zeros. */
  take(index: number, digest: Uint8Array | null): void {
    this.#tree.zeros(index - this.#next);
    if (digest === null) this.#tree.zeros(1);
    else this.#tree.leaf(Buffer.from(digest));
    this.#next = index + 1;
  }

  /** Of a disk of `size` bytes. */
  finish(size: number): string {
    this.#tree.zeros(Math.ceil(size / LEAF_BYTES) - this.#next);
    return this.#tree.finish(size);
  }
}
