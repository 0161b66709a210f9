/** A stream-optimized extent: every grain is a zlib stream behind a marker that tells its place and length. */
import type { BlockSource, Extent, Located, PackedPart } from "../../block-source.ts";
import { inflate } from "../../codec/unpack.ts";
import { requireBytes, type NamedBytes } from "../../fields.ts";
import { corrupt } from "../../image-error.ts";
import { type Locate, MappedDisk, requireInside } from "../../mapped-disk.ts";
import { Scratchpads } from "../../scratchpads.ts";
import { GRAIN_MARKER_BYTES, SECTOR } from "./layout.ts";

/** Grains of one read that are fetched and inflated at once: at most this many bytes of them. */
const WINDOW_BYTES = 2_097_152;
/** Small reads come back for the same grain: what a file system reader needs of them. */
const KEEP_BYTES = 4_194_304;

interface Wanted {
  /** Grain number. */
  readonly grain: number;
  /** File offset of its marker, null for zeros. */
  readonly at: number | null;
  /** The part of the caller's buffer that it fills, and where in the grain that begins. */
  readonly part: Uint8Array;
  readonly from: number;
}

export class CompressedDisk implements BlockSource {
  readonly size: number;
  readonly #file: NamedBytes;
  readonly #grainBytes: number;
  readonly #locate: Locate;
  readonly #map: MappedDisk;
  readonly #kept = new Map<number, Buffer>();
  readonly #pads = new Scratchpads(WINDOW_BYTES);

  constructor(file: NamedBytes, size: number, grainBytes: number, locate: Locate) {
    this.#file = file;
    this.size = size;
    this.#grainBytes = grainBytes;
    this.#locate = locate;
    this.#map = new MappedDisk(file, size, locate);
  }

  extents(signal?: AbortSignal): AsyncIterable<Extent> {
    return this.#map.extents(signal);
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    requireInside(this, offset, into.length);
    const perWindow = Math.max(1, Math.floor(WINDOW_BYTES / this.#grainBytes));
    let done = 0;
    while (done < into.length) {
      const window: Wanted[] = [];
      while (done < into.length && window.length < perWindow) {
        const grain = Math.floor((offset + done) / this.#grainBytes);
        const from = offset + done - grain * this.#grainBytes;
        const length = Math.min(this.#grainBytes - from, into.length - done);
        const found = this.#locate(offset + done - from, 1, false, signal);
        const { at } = found instanceof Promise ? await found : found;
        window.push({ grain, at, part: into.subarray(done, done + length), from });
        done += length;
      }
      await this.#fill(window, signal);
    }
  }

  /** Grains that can be read with one another, each of them whole or the first or last one cut. */
  async locate(offset: number, limit: number, signal?: AbortSignal): Promise<Located> {
    requireInside(this, offset, limit);
    const { bytes } = this.#file;
    const parts: PackedPart[] = [];
    let done = 0;
    while (done < limit && done < WINDOW_BYTES) {
      const skip = (offset + done) % this.#grainBytes;
      const length = Math.min(this.#grainBytes - skip, limit - done);
      const found = this.#locate(offset + done - skip, 1, false, signal);
      const { at } = found instanceof Promise ? await found : found;
      if (at === null) {
        if (done === 0) return { kind: "zero", length };
        break;
      }
      // What does not compress is a little longer than itself.
      const size = Math.min(this.#grainBytes + SECTOR, bytes.size - at);
      parts.push({ length, at, size, whole: length === this.#grainBytes });
      done += length;
    }
    return { kind: "read", length: done, packed: { bytes, form: "grain", parts } };
  }

  async #fill(window: readonly Wanted[], signal: AbortSignal | undefined): Promise<void> {
    const missing: (Wanted & { at: number })[] = [];
    for (const want of window) {
      const kept = this.#kept.get(want.grain);
      if (want.at === null) want.part.fill(0);
      else if (kept !== undefined) want.part.set(kept.subarray(want.from, want.from + want.part.length));
      else missing.push({ ...want, at: want.at });
    }
    const results = await Promise.allSettled(this.#groups(missing).map((group) => this.#fillGroup(group, signal)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Grains that follow one another closely in the file come with one read. */
  #groups(wanted: readonly (Wanted & { at: number })[]): (Wanted & { at: number })[][] {
    const groups: (Wanted & { at: number })[][] = [];
    let last: (Wanted & { at: number })[] = [];
    for (const want of wanted) {
      const previous = last.at(-1);
      if (previous !== undefined && want.at > previous.at && want.at - previous.at <= 2 * this.#grainBytes)
        last.push(want);
      else groups.push((last = [want]));
    }
    return groups;
  }

  async #fillGroup(group: readonly (Wanted & { at: number })[], signal: AbortSignal | undefined): Promise<void> {
    const first = group[0];
    const last = group.at(-1);
    if (first === undefined || last === undefined) return;
    // A grain that does not compress is a little longer than itself.
    const end = Math.min(last.at + this.#grainBytes + SECTOR, this.#file.bytes.size);
    await this.#pads.use(end - first.at, async (bytes) => {
      await this.#file.bytes.read(first.at, bytes, signal);
      const work = group.map((want) => this.#take(want, bytes.subarray(want.at - first.at), signal));
      for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
    });
  }

  /** `near`: bytes of the file from the grain's marker on. */
  async #take(want: Wanted & { at: number }, near: Buffer, signal: AbortSignal | undefined): Promise<void> {
    // Whole grains unpack to where they are wanted; of the disk's last one only a part may be.
    if (want.part.length === this.#grainBytes) {
      await this.#inflate(want, near, want.part, signal);
      return;
    }
    const grain = Buffer.allocUnsafe(this.#grainBytes);
    const length = await this.#inflate(want, near, grain, signal);
    want.part.set(grain.subarray(want.from, want.from + want.part.length));
    this.#keep(want.grain, grain.subarray(0, length));
  }

  /** Fills `into` with the grain and answers its length. */
  async #inflate(
    want: { grain: number; at: number },
    near: Buffer,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const name = this.#file.name;
    const start = want.grain * this.#grainBytes;
    const lba = near.readBigUInt64LE(0);
    const length = near.readUInt32LE(8);
    if (lba !== BigInt(start / SECTOR)) {
      throw corrupt(name, want.at, `the grain of sector ${start / SECTOR} says it is of sector ${lba}`);
    }
    if (length === 0 || length > 2 * this.#grainBytes) {
      throw corrupt(name, want.at + 8, `a compressed grain says it has ${length} bytes`);
    }
    requireBytes(this.#file, want.at + GRAIN_MARKER_BYTES, length, "a compressed grain");
    let packed = near.subarray(GRAIN_MARKER_BYTES, GRAIN_MARKER_BYTES + length);
    if (packed.length < length) {
      packed = Buffer.allocUnsafe(length);
      await this.#file.bytes.read(want.at + GRAIN_MARKER_BYTES, packed, signal);
    }
    let made: number;
    try {
      made = await inflate(packed, into, "zlib");
    } catch (error) {
      throw corrupt(name, want.at, `the grain of sector ${lba} cannot be unpacked`, error);
    }
    // Only the disk's last grain may be short.
    if (made < Math.min(this.#grainBytes, this.size - start)) {
      throw corrupt(
        name,
        want.at,
        `the grain of sector ${lba} unpacks to ${made} bytes instead of ${this.#grainBytes}`,
      );
    }
    return made;
  }

  #keep(index: number, grain: Buffer): void {
    const most = Math.max(1, Math.floor(KEEP_BYTES / this.#grainBytes));
    this.#kept.set(index, grain);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > most && !oldest.done) this.#kept.delete(oldest.value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#map[Symbol.asyncDispose]();
  }
}
