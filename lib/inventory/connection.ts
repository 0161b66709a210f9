/** The way to one host: one open adapter that everybody shares, and its successor beside it. */
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { pause } from "./backoff.ts";

/** A caller waits this long for the first session with a host. */
const READY_MS = 10_000;
/** The longest that one that has been replaced is kept for those who still use it. */
const RETIRED_MS = 10 * 60_000;
/** A peer that does not say goodbye is not waited for. */
const DISPOSE_MS = 5000;

interface Opened {
  readonly adapter: HypervisorAdapter;
  users: number;
  /** Replaced or lost: it goes with its last user. */
  retired: boolean;
  gone: Promise<void> | null;
}

export class HostConnection {
  readonly #onError: (error: unknown) => void;
  #current: Opened | null = null;
  readonly #retired = new Set<Opened>();
  #error: unknown = null;
  #closed = false;
  #changed = new AbortController();

  /** `onError`: what goes wrong when an adapter is let go; nobody waits for that. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /**
   * Runs `work` with the adapter, which stays open until `work` settles, also when the host is opened again meanwhile.
   * While there is none, waits for `patienceMs`, and for the very first one in any case a moment. Throws `host.offline`
   * with the reason, and what `work` throws.
   */
  async use<T>(work: (adapter: HypervisorAdapter) => Promise<T>, signal?: AbortSignal, patienceMs = 0): Promise<T> {
    const opened = await this.#ready(signal, patienceMs);
    opened.users += 1;
    try {
      return await work(opened.adapter);
    } finally {
      opened.users -= 1;
      if (opened.retired && opened.users === 0) void this.#dispose(opened);
    }
  }

  /** The adapter that callers get from now on. */
  accept(adapter: HypervisorAdapter): void {
    const before = this.#current;
    this.#current = { adapter, users: 0, retired: false, gone: null };
    this.#error = null;
    if (before !== null) this.#retire(before);
    this.#wake();
  }

  /** New callers get none; those who have one keep it until their work settles. */
  lose(error: unknown): void {
    const before = this.#current;
    this.#current = null;
    this.#error = error;
    if (before !== null) this.#retire(before);
    this.#wake();
  }

  /** Ends all of them, in use or not. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#current !== null) this.lose(new AppError("unavailable", "host.session-ended", "It is being closed."));
    this.#wake();
    await Promise.all([...this.#retired].map((opened) => this.#dispose(opened)));
  }

  async #ready(signal: AbortSignal | undefined, patienceMs: number): Promise<Opened> {
    const begun = performance.now();
    for (;;) {
      signal?.throwIfAborted();
      if (this.#current !== null) return this.#current;
      const most = this.#error === null ? Math.max(READY_MS, patienceMs) : patienceMs;
      const left = begun + most - performance.now();
      if (left <= 0 || this.#closed) throw this.#offline();
      const { signal: changed } = this.#changed;
      await pause(left, signal === undefined ? changed : AbortSignal.any([changed, signal]));
    }
  }

  #offline(): AppError {
    const why = this.#error instanceof AppError ? this.#error.message : "It does not answer.";
    return new AppError("unavailable", "host.offline", `The host is offline. ${why}`, {
      hint: "Supravisor keeps trying; the host's page shows when it is back.",
    });
  }

  #retire(opened: Opened): void {
    opened.retired = true;
    this.#retired.add(opened);
    if (opened.users === 0) void this.#dispose(opened);
    else setTimeout(() => void this.#dispose(opened), RETIRED_MS).unref();
  }

  #dispose(opened: Opened): Promise<void> {
    opened.gone ??= (async () => {
      const late = AbortSignal.timeout(DISPOSE_MS);
      const gone = (async () => opened.adapter[Symbol.asyncDispose]())().catch(this.#onError);
      await Promise.race([gone, pause(DISPOSE_MS, late)]);
      this.#retired.delete(opened);
    })();
    return opened.gone;
  }

  #wake(): void {
    this.#changed.abort();
    this.#changed = new AbortController();
  }
}
