/**
 * The tree behind a fingerprint, `sv1`.
 *
 * Leaves are SHA-256 of 1 MiB of the disk, the last one filled up with zeros. A node is SHA-256 of its two children,
 * 64 bytes. Leaves of zeros follow until their number is a power of two (at least 1). The fingerprint is SHA-256 of
 * the tag `supravisor disk fingerprint 1\n`, the disk's size as a 64-bit big-endian number, and the tree's root. No
 * two of the three kinds of input have one length, so none passes for another.
 */
import { hash } from "node:crypto";

export const LEAF_BYTES = 1024 * 1024;
const TAG = Buffer.from("supravisor disk fingerprint 1\n");

const sha256 = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer");
export const join = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.concat([left, right]));

const zeroTrees: Buffer[] = [];
/** Digest of a subtree of 2^level leaves of zeros. */
export function zeroTree(level: number): Buffer {
  let found = zeroTrees[level];
  if (found === undefined) {
    found = level === 0 ? sha256(Buffer.alloc(LEAF_BYTES)) : join(zeroTree(level - 1), zeroTree(level - 1));
    zeroTrees[level] = found;
  }
  return found;
}

/** Of the leaves so far: finished left subtrees by level, hex, that wait for their right ones. */
export interface TreeState {
  readonly leaves: number;
  readonly waiting: readonly (string | null)[];
}

export class FingerprintTree {
  #leaves = 0;
  /** By level: a finished left subtree that waits for its right one. */
  readonly #waiting: (Buffer | undefined)[] = [];

  leaf(digest: Buffer): void {
    this.#add(0, digest);
  }

  /** What a tree that goes on later needs to know. */
  get state(): TreeState {
    return { leaves: this.#leaves, waiting: Array.from(this.#waiting, (digest) => digest?.toString("hex") ?? null) };
  }

  static from({ leaves, waiting }: TreeState): FingerprintTree {
    const tree = new FingerprintTree();
    tree.#leaves = leaves;
    for (const [level, digest] of waiting.entries()) {
      tree.#waiting[level] = digest === null ? undefined : Buffer.from(digest, "hex");
    }
    return tree;
  }

  /** `count` leaves of zeros, by as few whole subtrees as fit: the time is logarithmic. */
  zeros(count: number): void {
    let left = count;
    while (left > 0) {
      let level = 0;
      while (2 ** (level + 1) <= left && this.#leaves % 2 ** (level + 1) === 0) level++;
      this.#add(level, zeroTree(level));
      left -= 2 ** level;
    }
  }

  #add(level: number, digest: Buffer): void {
    let at = level;
    let whole = digest;
    for (let left = this.#waiting[at]; left !== undefined; left = this.#waiting[at]) {
      whole = join(left, whole);
      this.#waiting[at] = undefined;
      at++;
    }
    this.#waiting[at] = whole;
    this.#leaves += 2 ** level;
  }

  /** The fingerprint of a disk of `size` bytes, all of whose leaves were given. */
  finish(size: number): string {
    let height = 0;
    while (2 ** height < Math.max(1, this.#leaves)) height++;
    this.zeros(2 ** height - this.#leaves);
    return fingerprintOf(size, this.#waiting[height] ?? zeroTree(0));
  }
}

/** The fingerprint of a disk of `size` bytes from the root of its tree. */
export function fingerprintOf(size: number, root: Buffer): string {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(size));
  return `sv1:${sha256(Buffer.concat([TAG, length, root])).toString("hex")}`;
}
