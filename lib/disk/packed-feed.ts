/** A disk's granules packed in its order, by threads that read, hash and pack on their own: a bounded number ahead. */
import type { BlockSource, Extent } from "./block-source.ts";
import { type Packing, roomForGranules } from "./codec/pack-granule.ts";
import { CopyThreads, PACKING_THREADS } from "./copy/copy-threads.ts";
import { FileLender } from "./copy/file-lender.ts";
import type { LeafDigests } from "./copy/leaf-digests.ts";
import type { Leaf, LeafAnswer } from "./copy/leaf-job.ts";
import { leafError, locateLeaf, needsReading, readUnfetched, withoutPacked } from "./copy/leaf-pieces.ts";
import type { Stretch } from "./copy/leaves.ts";
import { LEAF_BYTES } from "./fingerprint-tree.ts";

/** Units under way for each thread: one it works on, one that waits, one that is being taken. */
const PER_THREAD = 3;

export interface FeedOptions {
  readonly packing: Packing;
  /** Granules in one table: a run never crosses from one to the next. */
  readonly perTable: number;
  /** Takes those of all leaves that hold data. */
  readonly digests?: LeafDigests | undefined;
}

export interface PackedRun {
  /** Number of the first granule. */
  readonly first: number;
  /** As packGranule made them; null for zeros. */
  readonly granules: readonly (Buffer | null)[];
}

/**
 * Granules that hold data, in order, each once, with zeros between them and after the disk's end. A run is good until
 * the next one is asked for.
 */
export async function* packedRuns(
  disk: BlockSource,
  options: FeedOptions,
  signal?: AbortSignal,
): AsyncIterable<PackedRun> {
  await using feed = new Feed(disk, options, signal);
  for await (const unit of unitsOf(disk, options.packing.granule, signal)) {
    signal?.throwIfAborted();
    await feed.send(unit);
    if (feed.full) yield* feed.next();
  }
  while (!feed.empty) yield* feed.next();
}

interface Memory {
  readonly packed: Buffer;
  /** Of the disk, where no thread can read it; made when that is first so. */
  read: Buffer | null;
}

interface Flying {
  readonly leaves: readonly Leaf[];
  readonly memory: Memory;
  readonly answer: Promise<LeafAnswer>;
}

class Feed implements AsyncDisposable {
  readonly #disk: BlockSource;
  readonly #options: FeedOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #threads = new CopyThreads(PACKING_THREADS);
  readonly #lender = new FileLender();
  readonly #unitBytes: number;
  readonly #flying: Flying[] = [];
  readonly #free: Memory[] = [];
  /** One read at a time: some sources cannot seek. */
  #reading: Promise<unknown> = Promise.resolve();

  constructor(disk: BlockSource, options: FeedOptions, signal: AbortSignal | undefined) {
    this.#disk = disk;
    this.#options = options;
    this.#signal = signal;
    this.#unitBytes = unitBytes(options.packing.granule);
  }

  get full(): boolean {
    return this.#flying.length >= this.#threads.count * PER_THREAD;
  }

  get empty(): boolean {
    return this.#flying.length === 0;
  }

  async send(unit: readonly UnitLeaf[]): Promise<void> {
    const leaves: Leaf[] = [];
    for (const { index, stretches } of unit) {
      leaves.push(await locateLeaf(this.#disk, this.#lender, index, stretches, this.#signal));
    }
    const memory = this.#free.pop() ?? { packed: shared(this.#room), read: null };
    const answer = leaves.some(needsReading) ? this.#readAndPost(leaves, memory) : this.#post(leaves, memory, null);
    // Its turn to be awaited comes later; until then a failure is not unheard.
    answer.catch(() => undefined);
    this.#flying.push({ leaves, memory, answer });
  }

  get #room(): number {
    const { packing } = this.#options;
    return roomForGranules(packing, this.#unitBytes / packing.granule);
  }

  #post(leaves: readonly Leaf[], { packed }: Memory, slot: Buffer | null): Promise<LeafAnswer> {
    const { packing, digests } = this.#options;
    const work = { kind: "pack" as const, packing, out: packed };
    return this.#threads.run({ work, hash: digests !== undefined, leaves, slot });
  }

  async #readAndPost(leaves: readonly Leaf[], memory: Memory): Promise<LeafAnswer> {
    const slot = (memory.read ??= shared(this.#unitBytes));
    const reading = this.#reading.then(async () => {
      for (const leaf of leaves) {
        const from = (leaf.index * LEAF_BYTES) % this.#unitBytes;
        await readUnfetched(this.#disk, leaf, slot.subarray(from, from + LEAF_BYTES), this.#signal);
      }
    });
    this.#reading = reading;
    await reading;
    return this.#post(leaves, memory, slot);
  }

  /** The oldest in flight. */
  async *next(): AsyncIterable<PackedRun> {
    const oldest = this.#flying.shift();
    if (oldest === undefined) return;
    const { memory, leaves } = oldest;
    let answer = await oldest.answer;
    if (answer.kind === "failed" && answer.failure.doing === "unpack") {
      // The disk itself reads what a thread could not unpack, or says what is wrong with it.
      answer = await this.#readAndPost(leaves.map(withoutPacked), memory);
    }
    if (answer.kind === "failed") throw leafError(answer.failure, this.#lender, "the target");
    const { digests } = this.#options;
    for (const [i, { index }] of leaves.entries()) digests?.take(index, answer.digests[i] ?? null);
    yield* this.#runs(leaves, memory.packed, answer.lengths);
    this.#free.push(memory);
  }

  *#runs(leaves: readonly Leaf[], packed: Buffer, lengths: Uint32Array): Iterable<PackedRun> {
    const { perTable } = this.#options;
    const unit = Math.floor(((leaves[0]?.index ?? 0) * LEAF_BYTES) / this.#unitBytes);
    const first = unit * lengths.length;
    let at = 0;
    for (let done = 0; done < lengths.length; ) {
      const count = Math.min(lengths.length - done, perTable - ((first + done) % perTable));
      const before = at;
      const granules: (Buffer | null)[] = [];
      for (const length of lengths.subarray(done, done + count)) {
        granules.push(length === 0 ? null : packed.subarray(at, at + length));
        at += length;
      }
      if (at > before) yield { first: first + done, granules };
      done += count;
    }
  }

  /** Nothing is read any more when this returns. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#reading, ...this.#flying.map(({ answer }) => answer)]);
    await this.#threads[Symbol.asyncDispose]();
    this.#lender[Symbol.dispose]();
  }
}

function shared(bytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(bytes));
}

/** The larger of leaf and granule: both are powers of two. */
function unitBytes(granule: number): number {
  return Math.max(LEAF_BYTES, granule);
}

interface UnitLeaf {
  readonly index: number;
  readonly stretches: readonly Stretch[];
}

/** Leaves that hold data, those of one unit together. */
async function* unitsOf(
  disk: BlockSource,
  granule: number,
  signal: AbortSignal | undefined,
): AsyncIterable<readonly UnitLeaf[]> {
  const perUnit = unitBytes(granule) / LEAF_BYTES;
  let unit: { index: number; stretches: Stretch[] }[] = [];
  for await (const { offset, length } of dataOf(disk, signal)) {
    const index = Math.floor(offset / LEAF_BYTES);
    const last = unit.at(-1);
    if (last !== undefined && Math.floor(last.index / perUnit) !== Math.floor(index / perUnit)) {
      yield unit;
      unit = [];
    }
    const stretch = { offset, length, to: -1, apart: false };
    if (unit.at(-1)?.index === index) unit.at(-1)?.stretches.push(stretch);
    else unit.push({ index, stretches: [stretch] });
  }
  if (unit.length > 0) yield unit;
}

/** Cut at the ends of leaves. */
async function* dataOf(
  disk: BlockSource,
  signal: AbortSignal | undefined,
): AsyncIterable<Pick<Extent, "offset" | "length">> {
  for await (const { kind, offset, length } of disk.extents(signal)) {
    if (kind === "zero") continue;
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const step = Math.min(length - done, LEAF_BYTES - (at % LEAF_BYTES));
      yield { offset: at, length: step };
      done += step;
    }
  }
}
