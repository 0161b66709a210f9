/** Buffers for what is read and soon forgotten: asking the system for a megabyte each time costs more than the reading. */

const MOST = 4;

export class Scratchpads {
  readonly #free: Buffer[] = [];
  readonly #bytes: number;

  /** Up to `bytes` each are kept; larger ones are made and dropped. */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** `work` has the buffer, whose content is anything, until its promise settles. */
  async use<R>(length: number, work: (pad: Buffer) => Promise<R>): Promise<R> {
    if (length > this.#bytes) return work(Buffer.allocUnsafeSlow(length));
    const pad = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
    try {
      return await work(pad.subarray(0, length));
    } finally {
      if (this.#free.length < MOST) this.#free.push(pad);
    }
  }
}
