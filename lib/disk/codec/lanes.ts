/**
 * What a codec needs beside the bytes (contexts, room for output), a lane for each call under way. Work runs on libuv's
 * pool, which all threads of the process share; the lanes bound how much of it one thread asks for.
 */
import { availableParallelism } from "node:os";

/** libuv's own default. */
const POOL_THREADS = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);
/** One more than cores, so that none waits for this thread; one less than the pool has, so that files are read meanwhile. */
const LANES = Math.max(1, Math.min(POOL_THREADS - 1, availableParallelism() + 1));
/** Contexts take megabytes: they go when nobody has come for so long. */
const IDLE_MS = 2000;

export class Lanes<T> {
  readonly #make: () => T;
  readonly #end: (lane: T) => void;
  readonly #free: T[] = [];
  readonly #waiting: ((lane: T) => void)[] = [];
  #made = 0;
  #idle: NodeJS.Timeout | null = null;
  readonly #onExit = () => this.#endFree();

  constructor(make: () => T, end: (lane: T) => void) {
    this.#make = make;
    this.#end = end;
  }

  /** Calls `work` when a lane is free, first come first served. */
  async run<R>(work: (lane: T) => Promise<R>): Promise<R> {
    const lane = await this.#take();
    try {
      return await work(lane);
    } finally {
      this.#give(lane);
    }
  }

  /** A call that ends before it returns; it has a lane of its own. */
  now<R>(work: (lane: T) => R): R {
    const lane = this.#free.pop() ?? this.#new();
    try {
      return work(lane);
    } finally {
      this.#give(lane);
    }
  }

  #new(): T {
    // A thread that ends takes its memory with it, but not what a C library has allocated.
    if (this.#made === 0) process.on("exit", this.#onExit);
    this.#made++;
    return this.#make();
  }

  #take(): T | Promise<T> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < LANES) return this.#new();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #give(lane: T): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next(lane);
    this.#free.push(lane);
    if (this.#free.length < this.#made) return;
    if (this.#idle === null) this.#idle = setTimeout(() => this.#endFree(), IDLE_MS).unref();
    else this.#idle.refresh();
  }

  #endFree(): void {
    for (const lane of this.#free.splice(0)) {
      this.#made--;
      this.#end(lane);
    }
    if (this.#made === 0) process.off("exit", this.#onExit);
  }
}
