/** Messages that begin with their own length, out of pieces as a socket brings them. Every byte is copied once at most. */

const LENGTH_BYTES = 4;

export interface FrameLimits {
  readonly least: number;
  readonly most: number;
}

export class Frames {
  readonly #limits: FrameLimits;
  readonly #take: (whole: Buffer) => void;
  readonly #head = Buffer.alloc(LENGTH_BYTES);
  #headBytes = 0;
  /** The message that is coming in, and how much of it is there. */
  #message: Buffer | null = null;
  #filled = 0;

  /** `take` gets whole messages with their length in front, in memory that may belong to a larger piece. */
  constructor(limits: FrameLimits, take: (whole: Buffer) => void) {
    this.#limits = limits;
    this.#take = take;
  }

  /** Throws for a length that no message has, and what `take` throws. */
  feed(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      const left = piece.length - at;
      if (this.#message !== null) at += this.#fill(this.#message, piece.subarray(at));
      else if (this.#headBytes === 0 && left >= LENGTH_BYTES) {
        const length = this.#checked(piece.readUInt32BE(at));
        if (left >= length) {
          this.#take(piece.subarray(at, at + length));
          at += length;
        } else this.#message = Buffer.allocUnsafeSlow(length);
      } else {
        const part = piece.copy(this.#head, this.#headBytes, at, at + LENGTH_BYTES - this.#headBytes);
        this.#headBytes += part;
        at += part;
        if (this.#headBytes < LENGTH_BYTES) return;
        this.#message = Buffer.allocUnsafeSlow(this.#checked(this.#head.readUInt32BE(0)));
        this.#filled = this.#head.copy(this.#message);
        this.#headBytes = 0;
      }
    }
  }

  #fill(message: Buffer, piece: Buffer): number {
    const part = piece.copy(message, this.#filled);
    this.#filled += part;
    if (this.#filled === message.length) {
      this.#message = null;
      this.#filled = 0;
      this.#take(message);
    }
    return part;
  }

  #checked(length: number): number {
    if (length < this.#limits.least || length > this.#limits.most)
      throw new Error(`a message of ${length} bytes was announced`);
    return length;
  }
}
