/** The threads of one copy. They outlive it for a while: the next copy of this process finds them warm. */
import { availableParallelism } from "node:os";
import { AppError } from "#lib/errors.ts";
import { startLeanThread } from "./lean-thread.ts";
import type { LeafAnswer, LeafJob } from "./leaf-job.ts";

/** More of them wait for one another: a file takes one writer at a time. */
export const WRITING_THREADS = 4;
/** Each takes some megabytes. */
export const PACKING_THREADS = 8;
/** ms that a thread without work is kept. */
const IDLE_MS = 5000;

interface Waiting {
  readonly resolve: (answer: LeafAnswer) => void;
  readonly reject: (error: unknown) => void;
}

class CopyThread {
  readonly #worker = startLeanThread(new URL("./copy-thread.ts", import.meta.url), {
    // Those of a test runner or an inspector are not for this thread.
    execArgv: [],
    name: "copy",
    resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
  });
  readonly #waiting = new Map<number, Waiting>();
  #dead: AppError | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor() {
    this.#worker.on("message", (answer: LeafAnswer) => {
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
    const died = (cause?: unknown) => {
      this.#dead ??= new AppError("internal", "thread.died", "A thread that copied the disk ended.", { cause });
      for (const { reject } of this.#waiting.values()) reject(this.#dead);
      this.#waiting.clear();
      idle.delete(this);
    };
    this.#worker.on("error", died);
    this.#worker.on("exit", () => died());
  }

  get load(): number {
    return this.#waiting.size;
  }

  get alive(): boolean {
    return this.#dead === null;
  }

  run(job: LeafJob): Promise<LeafAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#dead !== null) return reject(this.#dead);
      this.#waiting.set(job.id, { resolve, reject });
      this.#worker.postMessage(job);
    });
  }

  /** The process may end while it is idle. */
  rest(): void {
    this.#worker.unref();
    this.#timer = setTimeout(() => {
      idle.delete(this);
      void this.#worker.terminate();
    }, IDLE_MS).unref();
    idle.add(this);
  }

  wake(): this {
    idle.delete(this);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#worker.ref();
    return this;
  }
}

const idle = new Set<CopyThread>();

export class CopyThreads implements AsyncDisposable {
  readonly #threads: readonly CopyThread[];
  readonly #running = new Set<Promise<unknown>>();
  #nextId = 0;

  /** One a core, but no more than `most`. */
  constructor(most: number) {
    const wanted = Math.max(1, Math.min(availableParallelism(), most));
    const warm = [...idle].slice(0, wanted).map((thread) => thread.wake());
    this.#threads = [...warm, ...Array.from({ length: wanted - warm.length }, () => new CopyThread())];
  }

  get count(): number {
    return this.#threads.length;
  }

  /** By the thread that has least to do. Throws `thread.died`. */
  async run(job: Omit<LeafJob, "id">): Promise<LeafAnswer> {
    const thread = this.#threads.reduce((least, next) => (next.load < least.load ? next : least));
    const answer = thread.run({ ...job, id: this.#nextId++ });
    this.#running.add(answer);
    try {
      return await answer;
    } finally {
      this.#running.delete(answer);
    }
  }

  /** Waits until nothing is read or written any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#running);
    for (const thread of this.#threads) if (thread.alive) thread.rest();
  }
}
