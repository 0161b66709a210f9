/** Small writes that lie together become one; their bytes stay in two buffers that take turns. */
import type { PlacedBytes } from "../../placed.ts";

export class Gather {
  readonly #arenas: [Buffer, Buffer];
  #turn = 0;
  #used = 0;
  #pieces: { at: number; bytes: Buffer }[] = [];

  /** `room`: what usually comes between two takes. Bytes. */
  constructor(room: number) {
    this.#arenas = [Buffer.allocUnsafeSlow(room), Buffer.allocUnsafeSlow(room)];
  }

  /** Copies the bytes. */
  put(at: number, bytes: Uint8Array): void {
    const arena = this.#arenas[this.#turn % 2 === 0 ? 0 : 1];
    if (bytes.length > arena.length - this.#used) {
      this.#pieces.push({ at, bytes: Buffer.from(bytes) });
      return;
    }
    arena.set(bytes, this.#used);
    const last = this.#pieces.at(-1);
    const start = this.#used;
    this.#used += bytes.length;
    if (last !== undefined && last.at + last.bytes.length === at && last.bytes.buffer === arena.buffer) {
      last.bytes = arena.subarray(last.bytes.byteOffset - arena.byteOffset, this.#used);
    } else this.#pieces.push({ at, bytes: arena.subarray(start, this.#used) });
  }

  /** What was put since the last time, in that order. */
  take(): readonly PlacedBytes[] {
    const pieces = this.#pieces;
    if (pieces.length === 0) return pieces;
    this.#pieces = [];
    this.#turn++;
    this.#used = 0;
    return pieces;
  }
}
