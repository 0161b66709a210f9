/** Carries out a plan into a file of this machine, by threads that read, hash and write on their own. */
import type { BlockSource } from "../block-source.ts";
import { fingerprintDisk } from "../fingerprint.ts";
import { LEAF_BYTES } from "../fingerprint-tree.ts";
import type { ByteSink, HeldFile } from "../io.ts";
import type { FilePlan } from "../plan.ts";
import { SHORTEST_GAP } from "../plan-chunks.ts";
import type { TransferProgress } from "../write-plan.ts";
import { dataParts } from "../zeros.ts";
import { Cloner } from "./cloner.ts";
import { CopyThreads, WRITING_THREADS } from "./copy-threads.ts";
import { FileLender } from "./file-lender.ts";
import { LeafDigests } from "./leaf-digests.ts";
import type { Leaf, LeafAnswer } from "./leaf-job.ts";
import { leafError, locateLeaf, needsReading, readUnfetched, withoutPacked } from "./leaf-pieces.ts";
import { copyItems, type Stretch } from "./leaves.ts";

/** Leaves sent to a thread at once. */
const BATCH = 4;
/** Batches in flight for each thread: one it works on, one that waits. */
const PER_THREAD = 2;

export interface CopyPlanOptions {
  readonly plan: FilePlan;
  readonly disk: BlockSource;
  readonly sink: ByteSink & Required<Pick<ByteSink, "hold">>;
  readonly fingerprint: boolean;
  /** The target shares no block with the source on the medium, whatever its file system could. */
  readonly ownBlocks?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
}

export interface Copied {
  /** Bytes written. */
  readonly moved: number;
  /** Of the disk; null when it was not asked for. */
  readonly fingerprint: string | null;
}

/** Whether a sink lends its file to copy threads. */
export function lendsFile(sink: ByteSink): sink is CopyPlanOptions["sink"] {
  return sink.seekable && sink.hold !== undefined;
}

/** Writes all of the plan but does not commit. */
export async function copyPlan(options: CopyPlanOptions): Promise<Copied> {
  await using copy = new Copy(options);
  return await copy.run();
}

interface Flying {
  readonly leaves: readonly Leaf[];
  readonly hashed: boolean;
  readonly slot: Buffer | null;
  readonly answer: ReturnType<CopyThreads["run"]>;
}

type Landed = Extract<LeafAnswer, { kind: "done" }>;

class Copy implements AsyncDisposable {
  readonly #options: CopyPlanOptions;
  readonly #threads = new CopyThreads(WRITING_THREADS);
  readonly #target: HeldFile;
  readonly #lender = new FileLender();
  readonly #cloner: Cloner | null;
  readonly #flying: Flying[] = [];
  readonly #digests = new LeafDigests();
  readonly #free: Buffer[] = [];
  #slots = 0;
  #writing: Promise<void> = Promise.resolve();
  #batch: Leaf[] = [];
  #inOrder = true;
  #moved = 0;

  constructor(options: CopyPlanOptions) {
    this.#options = options;
    this.#target = options.sink.hold();
    this.#cloner = options.ownBlocks === true ? null : new Cloner(options.disk, this.#target, this.#lender);
  }

  async run(): Promise<Copied> {
    const { plan, disk, fingerprint, signal, onProgress } = this.#options;
    const cloner = this.#cloner;
    for await (const item of copyItems({ plan, disk, all: fingerprint, cloner, signal })) {
      signal?.throwIfAborted();
      if (item.kind === "tables") await this.#writeTables(item.at, item.bytes);
      else {
        if (item.again) this.#inOrder = false;
        await this.#take(item.index, item.stretches);
      }
    }
    await this.#send();
    while (this.#flying.length > 0) await this.#land();
    await this.#writing;
    onProgress?.({ done: disk.size, total: disk.size, moved: this.#moved });
    if (!fingerprint) return { moved: this.#moved, fingerprint: null };
    // A plan that goes back and forth over the disk costs one more read of it.
    const print = this.#inOrder
      ? this.#digests.finish(disk.size)
      : await fingerprintDisk(disk, signal === undefined ? {} : { signal });
    return { moved: this.#moved, fingerprint: print };
  }

  async #writeTables(at: number, bytes: Uint8Array): Promise<void> {
    await this.#writing;
    const { sink, signal } = this.#options;
    this.#writing = (async () => {
      for (const [from, to] of dataParts(bytes, at, SHORTEST_GAP)) {
        await sink.write(at + from, bytes.subarray(from, to), signal);
        this.#moved += to - from;
      }
    })();
    this.#writing.catch(() => undefined);
  }

  async #take(index: number, stretches: readonly Stretch[]): Promise<void> {
    const { disk, signal } = this.#options;
    const leaf = await locateLeaf(disk, this.#lender, index, stretches, signal);
    if (needsReading(leaf)) {
      await this.#send();
      await this.#readAndSend(leaf);
    } else if (this.#batch.push(leaf) === BATCH) await this.#send();
  }

  async #send(): Promise<void> {
    const leaves = this.#batch;
    if (leaves.length === 0) return;
    this.#batch = [];
    await this.#room();
    this.#fly(leaves, null, this.#post(leaves, null));
  }

  /** What no thread can fetch is read here, into memory that the threads share; several reads at once. */
  async #readAndSend(leaf: Leaf): Promise<void> {
    await this.#room();
    const slot = await this.#slot();
    this.#fly([leaf], slot, this.#readAndPost(leaf, slot));
  }

  async #readAndPost(leaf: Leaf, slot: Buffer): Flying["answer"] {
    const { disk, signal } = this.#options;
    await readUnfetched(disk, leaf, slot, signal);
    return await this.#post([leaf], slot);
  }

  #post(leaves: readonly Leaf[], slot: Buffer | null): Flying["answer"] {
    const hash = this.#options.fingerprint && this.#inOrder;
    return this.#threads.run({ work: { kind: "write", target: this.#target.fd }, hash, leaves, slot });
  }

  #fly(leaves: readonly Leaf[], slot: Buffer | null, answer: Flying["answer"]): void {
    answer.catch(() => undefined);
    const hashed = this.#options.fingerprint && this.#inOrder;
    this.#flying.push({ leaves, hashed, slot, answer });
  }

  async #room(): Promise<void> {
    while (this.#flying.length >= this.#threads.count * PER_THREAD) await this.#land();
  }

  async #slot(): Promise<Buffer> {
    for (;;) {
      const free = this.#free.pop();
      if (free !== undefined) return free;
      if (this.#slots < this.#threads.count * PER_THREAD) {
        this.#slots++;
        return Buffer.from(new SharedArrayBuffer(LEAF_BYTES));
      }
      await this.#land();
    }
  }

  /** The oldest in flight. */
  async #land(): Promise<void> {
    const next = this.#flying.shift();
    if (next === undefined) return;
    const answer = await next.answer;
    if (answer.kind === "done") this.#count(next, answer);
    else if (answer.failure.doing === "unpack") await this.#again(next);
    else throw leafError(answer.failure, this.#lender, this.#target.name);
    if (next.slot !== null) this.#free.push(next.slot);
    const { disk, onProgress } = this.#options;
    const done = Math.min(disk.size, ((next.leaves.at(-1)?.index ?? 0) + 1) * LEAF_BYTES);
    onProgress?.({ done, total: disk.size, moved: this.#moved });
  }

  #count({ leaves, hashed }: Pick<Flying, "leaves" | "hashed">, { moved, digests }: Landed): void {
    this.#moved += moved;
    if (hashed) for (const [i, { index }] of leaves.entries()) this.#digests.take(index, digests[i] ?? null);
  }

  /** The disk itself reads what a thread could not unpack, or says what is wrong with it. */
  async #again({ leaves, hashed }: Flying): Promise<void> {
    const memory = Buffer.from(new SharedArrayBuffer(LEAF_BYTES));
    for (const packed of leaves) {
      const leaf = withoutPacked(packed);
      const answer = await this.#readAndPost(leaf, memory);
      if (answer.kind === "failed") throw leafError(answer.failure, this.#lender, this.#target.name);
      this.#count({ leaves: [leaf], hashed }, answer);
    }
  }

  /** Nothing is read or written any more when this returns. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#writing, ...this.#flying.map(({ answer }) => answer)]);
    await this.#threads[Symbol.asyncDispose]();
    this.#target.release();
    this.#lender[Symbol.dispose]();
  }
}
