/** The one disk that the matrix of formats is about, and a second one that lies below it in chains. */
import { closeSync, linkSync, openSync, writeSync } from "node:fs";
import { Scratch } from "../scratch.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Ends inside of every block, cluster and grain, and a little after the third sector of a page. */
export const MATRIX_SIZE = 3 * MIB + 3 * 512;

/** Where the disk below is another: once over data of ours, once where we have zeros. Bytes; whole sectors and pages. */
export const HIDDEN = [
  { at: MIB, length: 64 * KIB },
  { at: 2 * MIB, length: 64 * KIB },
] as const;

/** Noise and words, the same on each run. The third MiB is empty. */
function matrixDisk(): Buffer {
  const disk = Buffer.alloc(MATRIX_SIZE);
  let state = 0x9e37_79b9;
  const noise = (at: number, length: number) => {
    for (let i = at; i < at + length; i++) {
      state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
      disk[i] = Math.floor(state / 2 ** 24);
    }
  };
  noise(0, 700);
  noise(64 * KIB * 3 - 5, 10);
  disk.fill("what can be packed, ", MIB - 512, MIB + 150_000);
  noise(MIB + 200_000, 100_000);
  noise(MATRIX_SIZE - 700, 700);
  return disk;
}

/** Leaves pages of zeros as holes. */
function writeSparse(path: string, bytes: Uint8Array): void {
  const page = 4 * KIB;
  const fd = openSync(path, "r+");
  for (let at = 0; at < bytes.length; at += page) {
    const part = bytes.subarray(at, at + page);
    if (part.some((byte) => byte !== 0)) writeSync(fd, part, 0, part.length, at);
  }
  closeSync(fd);
}

/** `disk.raw`, and `base.raw`, which becomes the same disk where `HIDDEN` is covered by what is in `disk.raw`. */
export class MatrixDisk implements Disposable {
  readonly bytes = matrixDisk();
  readonly #scratch = new Scratch();

  constructor() {
    const base = Buffer.from(this.bytes);
    for (const { at, length } of HIDDEN) base.fill(0xbb, at, at + length);
    for (const [name, bytes] of [
      ["disk.raw", this.bytes],
      ["base.raw", base],
    ] as const) {
      writeSparse(this.#scratch.raw(name, MATRIX_SIZE, []), bytes);
    }
  }

  get path(): string {
    return this.#scratch.path("disk.raw");
  }

  /** A folder of its own with both files in it. */
  workshop(): Scratch {
    const scratch = new Scratch();
    for (const name of ["disk.raw", "base.raw"]) linkSync(this.#scratch.path(name), scratch.path(name));
    return scratch;
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}
