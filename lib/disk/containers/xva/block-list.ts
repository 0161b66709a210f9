/** Where the blocks of one disk lie in the archive, in columns: a disk of 2 TB has two million of them. */
import { insane } from "../../image-error.ts";
import { CHECKSUM_FILE, type BlockChecksum } from "./checksum.ts";

/** xapi writes 1 MiB; old exports may differ. A block is checked as a whole, so it must fit into memory. */
const LARGEST_BLOCK = 32 * 1_048_576;
/** 28 bytes of memory each. */
const MOST_BLOCKS = 4_194_304;

export interface Block {
  /** Of the disk. */
  readonly offset: number;
  readonly length: number;
  /** Of its bytes in the archive. */
  readonly at: number;
  readonly checksum: { readonly kind: BlockChecksum; readonly at: number } | null;
}

export class BlockList {
  #offset = new Float64Array(64);
  #at = new Float64Array(64);
  /** 0: none. Negative: XXH64. */
  #checksum = new Float64Array(64);
  #length = new Uint32Array(64);
  #count = 0;
  #number = -1;
  #unit = 0;
  #end = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes of the disk up to the end of the last block. */
  get end(): number {
    return this.#end;
  }

  /**
   * The next block. Numbers that are left out stand for zeros of the first block's length; a block of no bytes has a
   * number, but no place on the disk (xapi sends them to keep a connection alive).
   */
  add(file: string, number: number, at: number, length: number): void {
    if (number <= this.#number) throw insane(file, at, `block ${number} follows block ${this.#number}`);
    if (length > LARGEST_BLOCK) throw insane(file, at, `a block of a disk has ${length} bytes`);
    if (this.#count === MOST_BLOCKS) throw insane(file, at, `a disk has more than ${MOST_BLOCKS} blocks`);
    if (this.#unit === 0) this.#unit = length;
    this.#end += (number - this.#number - 1) * this.#unit;
    this.#number = number;
    if (!Number.isSafeInteger(this.#end + length)) throw insane(file, at, `block ${number} lies beyond any disk`);
    if (length === 0) return;
    if (this.#count === this.#at.length) this.#grow();
    this.#offset[this.#count] = this.#end;
    this.#at[this.#count] = at;
    this.#length[this.#count] = length;
    this.#count++;
    this.#end += length;
  }

  /** Of the block that was added last. Throws `image.header-insane`. */
  addChecksum(file: string, number: number, kind: BlockChecksum, at: number, length: number): void {
    if (number !== this.#number) throw insane(file, at, `the checksum of block ${number} stands behind another block`);
    if (length !== CHECKSUM_FILE[kind].digits) throw insane(file, at, `a checksum has ${length} digits`);
    const last = this.#count - 1;
    // That of an empty block says nothing.
    if (last < 0 || (this.#at[last] ?? 0) > at) return;
    if (this.#offset[last] === this.#end) return;
    if (this.#checksum[last] === 0) this.#checksum[last] = kind === "xxh64" ? -at : at;
  }

  block(index: number): Block {
    const checksum = this.#checksum[index] ?? 0;
    return {
      offset: this.#offset[index] ?? 0,
      length: this.#length[index] ?? 0,
      at: this.#at[index] ?? 0,
      checksum: checksum === 0 ? null : { kind: checksum < 0 ? "xxh64" : "sha1", at: Math.abs(checksum) },
    };
  }

  /** Index of the first block that ends behind `offset`; `count` when none does. */
  from(offset: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#offset[middle] ?? 0) + (this.#length[middle] ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(): void {
    const larger = this.#at.length * 2;
    const copy = <T extends Float64Array | Uint32Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.#offset = copy(new Float64Array(larger), this.#offset);
    this.#at = copy(new Float64Array(larger), this.#at);
    this.#checksum = copy(new Float64Array(larger), this.#checksum);
    this.#length = copy(new Uint32Array(larger), this.#length);
  }
}
