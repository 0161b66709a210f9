/** A disk in blocks with checksums. Each block is checked when something of it is read for the first time. */
import type { BlockSource, Extent } from "../../block-source.ts";
import type { NamedBytes } from "../../fields.ts";
import { corrupt } from "../../image-error.ts";
import { mergeExtents, requireInside } from "../../mapped-disk.ts";
import type { Block, BlockList } from "./block-list.ts";
import { blockChecksum, CHECKSUM_FILE } from "./checksum.ts";

export class XvaBlocks implements BlockSource {
  readonly size: number;
  readonly #file: NamedBytes;
  readonly #blocks: BlockList;
  readonly #label: string;
  /** One byte a block; 1 once its checksum was found right. */
  readonly #checked: Uint8Array;

  /** `size` is at least the end of the last block. */
  constructor(file: NamedBytes, label: string, size: number, blocks: BlockList) {
    this.size = size;
    this.#file = file;
    this.#label = label;
    this.#blocks = blocks;
    this.#checked = new Uint8Array(blocks.count);
  }

  extents(signal?: AbortSignal): AsyncIterable<Extent> {
    return mergeExtents(this.#all(signal));
  }

  async *#all(signal: AbortSignal | undefined): AsyncIterable<Extent> {
    let done = 0;
    for (let i = 0; i < this.#blocks.count; i++) {
      signal?.throwIfAborted();
      const { offset, length } = this.#blocks.block(i);
      if (offset > done) yield { offset: done, length: offset - done, kind: "zero" };
      yield { offset, length, kind: "data" };
      done = offset + length;
    }
    if (done < this.size) yield { offset: done, length: this.size - done, kind: "zero" };
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    requireInside(this, offset, into.length);
    const end = offset + into.length;
    let at = offset;
    for (let i = this.#blocks.from(offset); at < end; i++) {
      const block = i < this.#blocks.count ? this.#blocks.block(i) : null;
      const data = Math.min(block?.offset ?? end, end);
      if (data > at) {
        into.fill(0, at - offset, data - offset);
        at = data;
      }
      if (block === null || at === end) continue;
      const length = Math.min(block.offset + block.length, end) - at;
      await this.#readBlock(i, block, at - block.offset, into.subarray(at - offset, at - offset + length), signal);
      at += length;
    }
  }

  async #readBlock(index: number, block: Block, from: number, into: Uint8Array, signal: AbortSignal | undefined) {
    if (block.checksum === null || this.#checked[index] === 1) {
      await this.#file.bytes.read(block.at + from, into, signal);
      return;
    }
    const whole = into.length === block.length ? into : Buffer.allocUnsafe(block.length);
    const { kind, at } = block.checksum;
    const stored = Buffer.alloc(CHECKSUM_FILE[kind].digits);
    const reads = await Promise.allSettled([
      this.#file.bytes.read(block.at, whole, signal),
      this.#file.bytes.read(at, stored, signal),
    ]);
    for (const read of reads) if (read.status === "rejected") throw read.reason;
    if (blockChecksum(kind, whole).toLowerCase() !== stored.toString("latin1").toLowerCase()) {
      throw corrupt(
        this.#file.name,
        block.at,
        `the block of ${this.#label} at disk offset ${block.offset} is not what its checksum says`,
      );
    }
    this.#checked[index] = 1;
    if (whole !== into) into.set(whole.subarray(from, from + into.length));
  }

  /** The archive belongs to the container. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
