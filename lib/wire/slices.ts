/** Long work on the event loop, cut into slices: others get a turn whenever one has taken long enough. */
import { setImmediate as turn } from "node:timers/promises";

/** Milliseconds of one slice. A request that waits behind it does not notice. */
export const SLICE_MS = 8;

export class Slices {
  #since = performance.now();

  /** Whether the slice has lasted long enough. Cheap enough to ask for every piece of the work. */
  get over(): boolean {
    return performance.now() - this.#since >= SLICE_MS;
  }

  /** Gives everything else a turn. Throws the signal's reason. */
  async rest(signal?: AbortSignal): Promise<void> {
    await turn();
    signal?.throwIfAborted();
    this.#since = performance.now();
  }
}

/** Each of the items, with turns for others in between: the work of making one item counts, and that of whoever takes it. */
export async function* inSlices<T>(items: Iterable<T>, signal?: AbortSignal): AsyncGenerator<T> {
  const slices = new Slices();
  for (const item of items) {
    yield item;
    if (slices.over) await slices.rest(signal);
  }
}
