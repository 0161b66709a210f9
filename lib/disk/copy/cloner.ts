/** Shares stretches of the source's file with the target, where both lie on a file system that can (XFS, btrfs). */
import type { BlockSource } from "../block-source.ts";
import { cloneRange } from "../files/native.ts";
import type { HeldFile } from "../io.ts";
import type { FileLender } from "./file-lender.ts";

/** Of such file systems: whole blocks alone can be shared. */
const BLOCK = 4096;
/** Shorter ones are copied: that takes less time than to change the file's map. */
const SHORTEST = 65_536;
/** One call for so much, so that an abort is heard. */
const STEP = 1024 ** 3;

export interface Part {
  readonly length: number;
  readonly cloned: boolean;
}

export class Cloner {
  readonly #disk: BlockSource;
  readonly #target: HeldFile;
  readonly #lender: FileLender;
  /** Turns false at the first refusal: one file system, one answer. */
  #able = true;

  constructor(disk: BlockSource, target: HeldFile, lender: FileLender) {
    this.#disk = disk;
    this.#target = target;
    this.#lender = lender;
  }

  /** `length` bytes of the disk from `offset`, that go to `to` in the target: in order, what is there now and what is not. */
  async *parts(offset: number, length: number, to: number, signal?: AbortSignal): AsyncIterable<Part> {
    let copied = 0;
    for (let done = 0; done < length; ) {
      if (!this.#able || this.#disk.locate === undefined) {
        copied += length - done;
        break;
      }
      signal?.throwIfAborted();
      const limit = Math.min(length - done, STEP);
      const place = await this.#disk.locate(offset + done, limit, signal);
      const held = place.kind === "file" ? this.#lender.hold(place.bytes) : null;
      const whole = place.length - (place.length % BLOCK);
      done += place.length;
      if (
        place.kind !== "file" ||
        held === null ||
        whole < SHORTEST ||
        !(await this.#clone(held.fd, place.at, whole, to + done - place.length))
      ) {
        copied += place.length;
        continue;
      }
      if (copied > 0) yield { length: copied, cloned: false };
      yield { length: whole, cloned: true };
      copied = place.length - whole;
    }
    if (copied > 0) yield { length: copied, cloned: false };
  }

  async #clone(fd: number, at: number, length: number, to: number): Promise<boolean> {
    if (at % BLOCK !== 0 || to % BLOCK !== 0) return false;
    this.#able = await cloneRange(fd, at, length, this.#target.fd, to);
    return this.#able;
  }
}
