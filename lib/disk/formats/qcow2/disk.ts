/** The disk inside a qcow2 image: its own clusters, its backing disk below them, zeros where neither has anything. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BlockSource, Extent, Located } from "../../block-source.ts";
import { ExtentCursor } from "../../extent-cursor.ts";
import type { NamedBytes } from "../../fields.ts";
import { corrupt } from "../../image-error.ts";
import { mergeExtents, requireInside } from "../../mapped-disk.ts";
import { Scratchpads } from "../../scratchpads.ts";
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
  readonly #whole = new Map<number, Promise<Uint8Array>>();
  readonly #pads = new Scratchpads(PACKED_READ);

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

  async locate(offset: number, limit: number, signal?: AbortSignal): Promise<Located> {
    requireInside(this, offset, limit);
    const found = this.#map.locate(offset, limit, false, signal);
    const run = found instanceof Promise ? await found : found;
    const { length } = run;
    if (run.kind === "data") return { kind: "file", length, bytes: this.#data.bytes, at: run.at };
    if (run.kind === "packed") {
      const parts = run.clusters.map(({ at, size }, i) => {
        const part = this.#partLength(offset, length, i);
        return { length: part, at, size, whole: part === this.#header.clusterBytes };
      });
      const form = this.#header.compression === "zstd" ? "zstd" : "deflate";
      return { kind: "read", length, packed: { bytes: this.#file.bytes, form, parts } };
    }
    const below = run.kind === "absent" ? Math.min(length, (this.#backing?.size ?? 0) - offset) : 0;
    if (this.#backing === null || below <= 0) return { kind: "zero", length };
    return (await this.#backing.locate?.(offset, below, signal)) ?? { kind: "read", length: below };
  }

  /** Of the cluster number `i` after the one that `offset` lies in, what is inside [offset, offset + length). */
  #partLength(offset: number, length: number, i: number): number {
    const { clusterBytes } = this.#header;
    const start = Math.floor(offset / clusterBytes) * clusterBytes + i * clusterBytes;
    return Math.min(start + clusterBytes, offset + length) - Math.max(start, offset);
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
    const { name, bytes } = this.#file;
    for (let first = 0; first < clusters.length; ) {
      signal?.throwIfAborted();
      const span = spanOf(clusters, first);
      await this.#pads.use(span.size, async (raw) => {
        let read: Promise<void> | null = null;
        const work = clusters.slice(first, first + span.count).map(async (packed, i) => {
          const start = (first + i) * clusterBytes - skip;
          const from = Math.max(0, -start);
          const to = Math.min(clusterBytes, into.length - start);
          const part = into.subarray(start + from, start + to);
          if (part.length < clusterBytes) {
            const whole = await this.#kept(packed);
            part.set(whole.subarray(from, to));
            return;
          }
          await (read ??= bytes.read(span.at, raw, signal));
          const own = raw.subarray(packed.at - span.at, packed.at - span.at + packed.size);
          await unpack(name, packed.at, own, this.#header.compression, part);
        });
        for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
      });
      first += span.count;
    }
  }

  /** A cluster that is not wanted whole: the next read mostly wants more of it. */
  #kept(packed: Packed): Promise<Uint8Array> {
    const { clusterBytes, compression } = this.#header;
    const { name, bytes } = this.#file;
    let kept = this.#whole.get(packed.at);
    if (kept === undefined) {
      // Shared with later readers, so without this caller's signal.
      kept = (async () => {
        const raw = Buffer.allocUnsafe(packed.size);
        await bytes.read(packed.at, raw);
        const whole = Buffer.allocUnsafe(clusterBytes);
        await unpack(name, packed.at, raw, compression, whole);
        return whole;
      })();
      kept.catch(() => this.#whole.delete(packed.at));
    }
    this.#whole.delete(packed.at);
    this.#whole.set(packed.at, kept);
    if (this.#whole.size > Math.max(1, Math.floor(KEPT_BYTES / clusterBytes))) {
      const oldest = this.#whole.keys().next();
      if (!oldest.done) this.#whole.delete(oldest.value);
    }
    return kept;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#whole.clear();
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
