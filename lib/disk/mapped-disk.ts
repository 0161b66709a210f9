/** A disk whose bytes lie uncompressed somewhere in a file: formats say where, this reads and lists. */
import { AppError } from "#lib/errors.ts";
import type { Extent, Located } from "./block-source.ts";
import { requireBytes, type NamedBytes } from "./fields.ts";
import { corrupt } from "./image-error.ts";
import type { Held, Layer } from "./layer.ts";

/** `length` bytes of the disk from the asked offset: at byte `at` of the file, or null when they read as zeros. */
export interface Run {
  readonly length: number;
  readonly at: number | null;
}

/** Where a block lies: at this byte of the file, nowhere since it is zeros, or in the parent's disk. */
export type Place = number | null | "parent";

/** As Run, for an image that may have a parent. */
export interface LayerRun {
  readonly length: number;
  readonly at: Place;
}

/**
 * Where the disk's bytes from `offset` on lie. Answers at least one byte and at most `limit`, as many as it can
 * tell from one table page. With `kindOnly`, neighbours that are all data count as one run even when they lie apart
 * in the file (`at` is then that of the first). Throws `image.*` for entries that point where no data can be.
 */
export type Locate = (
  offset: number,
  limit: number,
  kindOnly: boolean,
  signal: AbortSignal | undefined,
) => Run | Promise<Run>;

/** As Locate, for an image that may have a parent. */
export type LayerLocate = (
  offset: number,
  limit: number,
  kindOnly: boolean,
  signal: AbortSignal | undefined,
) => LayerRun | Promise<LayerRun>;

export class MappedDisk implements Layer {
  readonly size: number;
  readonly #file: NamedBytes;
  readonly #locate: LayerLocate;
  readonly #ownPlaces: boolean;

  /**
   * The disk owns `file.bytes`: disposing it disposes them. `ownPlaces`: each byte of data has one of its own in the file, so
   * tables that repeat places, and would unfold a small file without end, are found out by `extents`.
   */
  constructor(file: NamedBytes, size: number, locate: LayerLocate, ownPlaces = false) {
    this.#file = file;
    this.size = size;
    this.#locate = locate;
    this.#ownPlaces = ownPlaces;
  }

  async *extents(signal?: AbortSignal): AsyncIterable<Extent> {
    yield* mergeExtents(this.#runs(signal));
  }

  async *#runs(signal: AbortSignal | undefined): AsyncIterable<Extent> {
    let offset = 0;
    let data = 0;
    while (offset < this.size) {
      signal?.throwIfAborted();
      const found = this.#locate(offset, this.size - offset, true, signal);
      const run = found instanceof Promise ? await found : found;
      if (typeof run.at === "number") data += run.length;
      if (this.#ownPlaces && data > this.#file.bytes.size)
        throw corrupt(this.#file.name, 0, "its tables use the same places more than once");
      yield { offset, length: run.length, kind: typeof run.at === "number" ? "data" : "zero" };
      offset += run.length;
    }
  }

  held(offset: number, limit: number, signal?: AbortSignal): Held | Promise<Held> {
    const found = this.#locate(offset, limit, true, signal);
    return found instanceof Promise ? found.then(toHeld) : toHeld(found);
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    requireInside(this, offset, into.length);
    let done = 0;
    // Runs that lie apart are fetched together; a short list of them keeps the number of open reads small.
    let pending: Promise<void>[] = [];
    try {
      while (done < into.length) {
        const found = this.#locate(offset + done, into.length - done, false, signal);
        const run = found instanceof Promise ? await found : found;
        const part = into.subarray(done, done + run.length);
        if (typeof run.at !== "number") part.fill(0);
        else {
          requireBytes(this.#file, run.at, run.length, `the data of disk offset ${offset + done}`);
          pending.push(this.#file.bytes.read(run.at, part, signal));
          if (pending.length === 16) {
            await Promise.all(pending);
            pending = [];
          }
        }
        done += run.length;
      }
    } catch (error) {
      // The caller may reuse the buffer once we throw: nobody may still be writing into it.
      await Promise.allSettled(pending);
      throw error;
    }
    const results = await Promise.allSettled(pending);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async locate(offset: number, limit: number, signal?: AbortSignal): Promise<Located> {
    requireInside(this, offset, limit);
    const found = this.#locate(offset, limit, false, signal);
    const { length, at } = found instanceof Promise ? await found : found;
    if (typeof at !== "number") return { kind: "zero", length };
    requireBytes(this.#file, at, length, `the data of disk offset ${offset}`);
    return { kind: "file", length, bytes: this.#file.bytes, at };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.bytes[Symbol.asyncDispose]();
  }
}

function toHeld({ length, at }: LayerRun): Held {
  return { length, kind: typeof at === "number" ? "data" : (at ?? "zero") };
}

/** Throws `io.past-end` for a read that leaves the disk: a caller's mistake, not the image's. */
export function requireInside(disk: { readonly size: number }, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > disk.size) {
    throw new AppError(
      "internal",
      "io.past-end",
      `A read of ${length} bytes at ${offset} leaves a disk of ${disk.size}.`,
    );
  }
}

/** Joins neighbours of one kind. Input: sorted, gapless. */
export async function* mergeExtents(extents: AsyncIterable<Extent>): AsyncIterable<Extent> {
  let kind: Extent["kind"] | null = null;
  let offset = 0;
  let length = 0;
  for await (const next of extents) {
    if (next.kind === kind) {
      length += next.length;
      continue;
    }
    if (kind !== null) yield { offset, length, kind };
    kind = next.kind;
    offset = next.offset;
    length = next.length;
  }
  if (kind !== null) yield { offset, length, kind };
}
