/** A text that comes in pieces of any length: put together once, at a cost that does not depend on how it was cut. */

/** Small pieces are joined to blocks of at least this many, so that a peer that sends single characters takes no more memory. */
const PIECES = 512;

export class TextPieces {
  #pieces: string[] = [];
  #blocks: string[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: string): void {
    if (piece === "") return;
    this.#length += piece.length;
    this.#pieces.push(piece);
    if (this.#pieces.length < PIECES) return;
    this.#blocks.push(this.#pieces.join(""));
    this.#pieces = [];
  }

  /** Everything so far; nothing is left. */
  take(): string {
    const only = this.#blocks.length === 0 && this.#pieces.length === 1 ? this.#pieces[0] : undefined;
    const text = only ?? this.#blocks.concat(this.#pieces).join("");
    this.#blocks = [];
    this.#pieces = [];
    this.#length = 0;
    return text;
  }
}
