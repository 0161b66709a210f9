/** The fingerprint of a disk: the same for the same bytes in every format, however they are stored. */
import { hash } from "node:crypto";
import { FingerprintTree, LEAF_BYTES, type TreeState } from "./fingerprint-tree.ts";
import type { BlockSource } from "./block-source.ts";
import { isZero } from "./zeros.ts";

const READ_AHEAD = 4;

/**
 * Takes the disk's bytes in order, each once: data or zeros.
 *
 * It hashes on the caller's own thread, which has little else to do while the pool reads and writes. Measured on two
 * cores, the pool's threads hashing as well made a conversion slower: they took the cores from the copy.
 */
export class Fingerprinter {
  readonly #size: number;
  readonly #tree: FingerprintTree;
  #at = 0;
  /** The leaf being filled; only allocated when data comes in pieces. */
  #leaf: Buffer | null = null;
  #leafHasData = false;

  /** `from`: goes on after the leaves of another one's state. */
  constructor(size: number, from?: TreeState) {
    this.#size = size;
    this.#tree = from === undefined ? new FingerprintTree() : FingerprintTree.from(from);
    this.#at = (from?.leaves ?? 0) * LEAF_BYTES;
  }

  /** Of the whole leaves so far. */
  get state(): TreeState {
    return this.#tree.state;
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#at;
  }

  /** The bytes may be reused at once. */
  data(bytes: Uint8Array): void {
    for (let pos = 0; pos < bytes.length; ) {
      const filled = this.#at % LEAF_BYTES;
      const part = bytes.subarray(pos, Math.min(bytes.length, pos + LEAF_BYTES - filled));
      pos += part.length;
      if (part.length === LEAF_BYTES) {
        this.#at += part.length;
        this.#digest(part);
      } else {
        this.#leaf ??= Buffer.alloc(LEAF_BYTES);
        // Whatever an earlier leaf left in the buffer goes when the first data of this one comes.
        if (!this.#leafHasData) this.#leaf.fill(0);
        this.#leafHasData = true;
        this.#leaf.set(part, filled);
        this.#at += part.length;
        if (this.#at % LEAF_BYTES === 0) this.#endLeaf();
      }
    }
  }

  zeros(length: number): void {
    let left = length;
    const filled = this.#at % LEAF_BYTES;
    if (filled > 0) {
      const step = Math.min(left, LEAF_BYTES - filled);
      this.#at += step;
      left -= step;
      if (this.#at % LEAF_BYTES === 0) this.#endLeaf();
    }
    const leaves = Math.floor(left / LEAF_BYTES);
    this.#tree.zeros(leaves);
    this.#at += left;
  }

  /** What was not given is zeros. */
  finish(): string {
    if (this.#at < this.#size) this.zeros(this.#size - this.#at);
    if (this.#at % LEAF_BYTES !== 0) this.zeros(LEAF_BYTES - (this.#at % LEAF_BYTES));
    return this.#tree.finish(this.#size);
  }

  #endLeaf(): void {
    if (this.#leafHasData && this.#leaf !== null) this.#digest(this.#leaf);
    else this.#tree.zeros(1);
    this.#leafHasData = false;
  }

  #digest(leaf: Uint8Array): void {
    if (isZero(leaf)) this.#tree.zeros(1);
    else this.#tree.leaf(hash("sha256", leaf, "buffer"));
  }
}

export interface FingerprintOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the disk, zeros included. `moved`: bytes that were read. */
  readonly onProgress?: (progress: { done: number; total: number; moved: number }) => void;
}

/** Reads the whole disk once; runs of zeros cost nothing. Answers `sv1:` and 64 hex digits. */
export async function fingerprintDisk(disk: BlockSource, options: FingerprintOptions = {}): Promise<string> {
  const { signal, onProgress } = options;
  const fingerprinter = new Fingerprinter(disk.size);
  const free: Buffer[] = Array.from({ length: READ_AHEAD + 1 }, () => Buffer.alloc(Math.min(LEAF_BYTES, disk.size)));
  const window: { offset: number; bytes: Buffer; buffer: Buffer; read: Promise<void> }[] = [];
  let moved = 0;
  const takeOne = async () => {
    const next = window.shift();
    if (next === undefined) return;
    await next.read;
    fingerprinter.zeros(next.offset - fingerprinter.position);
    fingerprinter.data(next.bytes);
    free.push(next.buffer);
    moved += next.bytes.length;
    onProgress?.({ done: fingerprinter.position, total: disk.size, moved });
  };
  try {
    for await (const offset of leavesWithData(disk, signal)) {
      if (window.length >= READ_AHEAD) await takeOne();
      const buffer = free.pop() ?? Buffer.alloc(LEAF_BYTES);
      const bytes = buffer.subarray(0, Math.min(LEAF_BYTES, disk.size - offset));
      const read = disk.read(offset, bytes, signal);
      read.catch(() => undefined);
      window.push({ offset, bytes, buffer, read });
    }
    while (window.length > 0) await takeOne();
    const fingerprint = fingerprinter.finish();
    onProgress?.({ done: disk.size, total: disk.size, moved });
    return fingerprint;
  } finally {
    await Promise.allSettled(window.map((entry) => entry.read));
  }
}

/** Offsets of the leaves that any data extent touches, each once. */
async function* leavesWithData(disk: BlockSource, signal: AbortSignal | undefined): AsyncIterable<number> {
  let next = 0;
  for await (const extent of disk.extents(signal)) {
    if (extent.kind === "zero") continue;
    const end = Math.ceil((extent.offset + extent.length) / LEAF_BYTES);
    for (next = Math.max(next, Math.floor(extent.offset / LEAF_BYTES)); next < end; next++) {
      signal?.throwIfAborted();
      yield next * LEAF_BYTES;
    }
  }
}
