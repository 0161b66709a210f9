/** The disk inside a qcow2 image: its own clusters, its backing disk below them, zeros where neither has anything. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BlockSource, Extent } from "../../block-source.ts";
import { ExtentCursor } from "../../extent-cursor.ts";
import type { NamedBytes } from "../../fields.ts";
import { corrupt } from "../../image-error.ts";
import { mergeExtents, requireInside } from "../../mapped-disk.ts";
import { ClusterMap, type Packed } from "./cluster-map.ts";
import type { Qcow2Header } from "./layout.ts";
import { unpack } from "./unpack.ts";

/** Reads in flight for one call. */
const MOST_PENDING = 32;
/** Unpacked clusters kept for reads that take a cluster in pieces. Bytes. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** Compressed neighbours are fetched by one read of at most so many bytes. */
const PACKED_READ = 1024 * 1024;

export class Qcow2Disk implements BlockSource {
  readonly size: number;
  readonly #file: NamedBytes;
  readonly #data: NamedBytes;
  readonly #backing: BlockSource | null;
  readonly #header: Qcow2Header;
  readonly #map: ClusterMap;
  /** By offset in the file. Insertion order is age. */
  readonly #kept = new Map<number, Promise<Uint8Array>>();

  constructor(file: NamedBytes, data: NamedBytes, backing: BlockSource | null, header: Qcow2Header) {
    this.size = header.size;
    this.#file = file;
    this.#data = data;
    this.#backing = backing;
    this.#header = header;
    this.#map = new ClusterMap(file, data, header);
  }

  async *extents(signal?: AbortSignal): AsyncIterable<Extent> {
    yield* mergeExtents(this.#runs(signal));
  }

  async *#runs(signal: AbortSignal | undefined): AsyncIterable<Extent> {
    await using below = this.#backing === null ? null : new ExtentCursor(this.#backing, signal);
    let offset = 0;
    let plain = 0;
    let turns = 0;
    while (offset < this.size) {
      signal?.throwIfAborted();
      // Cached tables answer without waiting: let timers and aborts through now and then.
      if (++turns % 512 === 0) await nextTurn();
      const found = this.#map.locate(offset, this.size - offset, true, signal);
      const run = found instanceof Promise ? await found : found;
      if (run.kind === "data") {
        plain += run.plain;
        // A cluster belongs to one place of the disk. Tables that repeat clusters would unfold a small file without end.
        if (plain > this.#data.bytes.size) {
          throw corrupt(this.#file.name, this.#header.l1Offset, "its tables use the same clusters more than once");
        }
      }
      if (run.kind === "absent" && below !== null) yield* below.range(offset, offset + run.length);
      else yield { offset, length: run.length, kind: run.kind === "data" || run.kind === "packed" ? "data" : "zero" };
      offset += run.length;
    }
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    requireInside(this, offset, into.length);
    let pending: Promise<void>[] = [];
    let done = 0;
    try {
      while (done < into.length) {
        const found = this.#map.locate(offset + done, into.length - done, false, signal);
        const run = found instanceof Promise ? await found : found;
        const part = into.subarray(done, done + run.length);
        if (run.kind === "zero") part.fill(0);
        else if (run.kind === "absent") pending.push(this.#readBelow(offset + done, part, signal));
        else if (run.kind === "data") pending.push(this.#data.bytes.read(run.at, part, signal));
        else pending.push(this.#readPacked(run.clusters, (offset + done) % this.#header.clusterBytes, part, signal));
        done += run.length;
        if (pending.length >= MOST_PENDING) {
          await Promise.all(pending);
          pending = [];
        }
      }
    } catch (error) {
      // The caller may reuse the buffer once we throw: nobody may still be writing into it.
      await Promise.allSettled(pending);
      throw error;
    }
    if (pending.length === 1) return pending[0];
    for (const result of await Promise.allSettled(pending)) if (result.status === "rejected") throw result.reason;
  }

  async #readBelow(offset: number, into: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const there = Math.max(0, Math.min(into.length, (this.#backing?.size ?? 0) - offset));
    into.fill(0, there);
    if (there > 0) await this.#backing?.read(offset, into.subarray(0, there), signal);
  }

  /** `clusters` follow one another on the disk; `skip` bytes of the first are not wanted. */
  async #readPacked(
    clusters: readonly Packed[],
    skip: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { clusterBytes } = this.#header;
    let first = 0;
    while (first < clusters.length) {
      signal?.throwIfAborted();
      const span = spanOf(clusters, first);
      const whole = await this.#fetch(span, clusters, first, into.length + skip, signal);
      const work = whole.map(async (unpacked, i) => {
        const start = (first + i) * clusterBytes - skip;
        const bytes = await unpacked;
        const from = Math.max(0, -start);
        const to = Math.min(clusterBytes, into.length - start);
        into.set(from === 0 && to === clusterBytes ? bytes : bytes.subarray(from, to), start + from);
      });
      for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
      first += whole.length;
    }
  }

  /** Unpacks clusters `first`… of one span by one read; a cluster that is not wanted whole is kept for the next read. */
  async #fetch(
    span: { at: number; size: number; count: number },
    clusters: readonly Packed[],
    first: number,
    wanted: number,
    signal: AbortSignal | undefined,
  ): Promise<Promise<Uint8Array>[]> {
    const { clusterBytes, compression } = this.#header;
    const { name, bytes } = this.#file;
    const unpackFrom = (packed: Packed, raw: Uint8Array, at: number) =>
      unpack(name, packed.at, raw.subarray(packed.at - at, packed.at - at + packed.size), compression, clusterBytes);

    const only = clusters[first];
    if (span.count === 1 && only !== undefined && wanted % clusterBytes !== 0) {
      let kept = this.#kept.get(only.at);
      if (kept === undefined) {
        // Shared with later readers, so without this caller's signal.
        kept = (async () => {
          const raw = Buffer.allocUnsafe(only.size);
          await bytes.read(only.at, raw);
          return unpackFrom(only, raw, only.at);
        })();
        kept.catch(() => this.#kept.delete(only.at));
      }
      this.#kept.delete(only.at);
      this.#kept.set(only.at, kept);
      if (this.#kept.size > Math.max(1, Math.floor(KEPT_BYTES / clusterBytes))) {
        const oldest = this.#kept.keys().next();
        if (!oldest.done) this.#kept.delete(oldest.value);
      }
      return [kept];
    }
    const raw = Buffer.allocUnsafe(span.size);
    await bytes.read(span.at, raw, signal);
    return clusters.slice(first, first + span.count).map((packed) => unpackFrom(packed, raw, span.at));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kept.clear();
    await this.#file.bytes[Symbol.asyncDispose]();
    if (this.#data !== this.#file) await this.#data.bytes[Symbol.asyncDispose]();
    await this.#backing?.[Symbol.asyncDispose]();
  }
}

/** As many clusters from `first` on as lie one after another in the file and fit one read. */
function spanOf(clusters: readonly Packed[], first: number): { at: number; size: number; count: number } {
  const at = clusters[first]?.at ?? 0;
  let end = at + (clusters[first]?.size ?? 0);
  let count = 1;
  for (let i = first + 1; i < clusters.length; i++) {
    const next = clusters[i];
    // Neighbours share a sector, so the next one begins at or before the end of the last one's sectors.
    if (next === undefined || next.at < at || next.at > end || next.at + next.size - at > PACKED_READ) break;
    if (next.at + next.size <= end) break;
    end = next.at + next.size;
    count++;
  }
  return { at, size: end - at, count };
}
