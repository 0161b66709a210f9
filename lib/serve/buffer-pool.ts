/**
 * Memory for pieces on their way to a socket, used again. Fresh buffers for every piece keep the garbage collector busy
 * for longer than reading and sending them takes.
 */

/** Kept at most, all clients together: as much as four clients of NBD have on their way. Bytes. */
const KEPT_BYTES = 64 * 1024 * 1024;
/** Unused for so long, it goes back to the system. */
const IDLE_MS = 10_000;
const SMALLEST = 65_536;

export class BufferPool {
  /** By size: powers of two. */
  readonly #free = new Map<number, Buffer[]>();
  readonly #slabs = new WeakMap<ArrayBufferLike, Buffer>();
  #kept = 0;
  #idle: NodeJS.Timeout | null = null;

  get keptBytes(): number {
    return this.#kept;
  }

  /** What is in it is whatever was in it before. */
  take(length: number): Buffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(length, SMALLEST)));
    let slab = this.#free.get(size)?.pop();
    if (slab === undefined) {
      slab = Buffer.allocUnsafeSlow(size);
      this.#slabs.set(slab.buffer, slab);
    } else this.#kept -= size;
    return slab.subarray(0, length);
  }

  /** Once, and only when nobody reads it or writes to it any more. One that is never given back is merely not reused. */
  give(taken: Buffer): void {
    const slab = this.#slabs.get(taken.buffer);
    if (slab === undefined || this.#kept + slab.length > KEPT_BYTES) return;
    this.#kept += slab.length;
    const free = this.#free.get(slab.length);
    if (free === undefined) this.#free.set(slab.length, [slab]);
    else free.push(slab);
    this.#idle ??= setTimeout(() => this.#forget(), IDLE_MS).unref();
    this.#idle.refresh();
  }

  #forget(): void {
    this.#idle = null;
    this.#free.clear();
    this.#kept = 0;
  }
}

export const pieces = new BufferPool();
