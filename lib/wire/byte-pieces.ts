/** Bytes that come in pieces of any length, put together once. Peers choose the pieces: single bytes cost no more than their number. */

/** Shorter pieces are copied together; an object of its own costs more than so many bytes. */
const SHORT = 1024;
const BLOCK = 16 * 1024;

export class BytePieces {
  #blocks: Uint8Array[] = [];
  /** Where short pieces are copied to, and how much of it is filled. */
  #open = Buffer.alloc(0);
  #filled = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: Uint8Array): void {
    this.#length += piece.length;
    if (piece.length >= SHORT) {
      this.#close();
      this.#blocks.push(piece);
      return;
    }
    if (piece.length > this.#open.length - this.#filled) {
      this.#close();
      this.#open = Buffer.allocUnsafeSlow(BLOCK);
    }
    this.#open.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  #close(): void {
    if (this.#filled > 0) this.#blocks.push(this.#open.subarray(0, this.#filled));
    this.#open = this.#open.subarray(this.#filled);
    this.#filled = 0;
  }

  /** Everything so far. */
  bytes(): Buffer {
    this.#close();
    const [only] = this.#blocks;
    if (only !== undefined && this.#blocks.length === 1) return Buffer.from(only.buffer, only.byteOffset, only.length);
    return Buffer.concat(this.#blocks, this.#length);
  }
}
