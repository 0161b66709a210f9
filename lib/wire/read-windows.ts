/** A file of a host, read at any place through windows: those that were used last are kept, the next ones fetched ahead. */
import { abortable } from "./abortable.ts";

export interface WindowedFile {
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes of a window. */
  readonly window: number;
  /** Windows that are kept: the memory for one open file. More than `ahead`. */
  readonly kept: number;
  /** Windows fetched before they are asked for, when reading goes forward. */
  readonly ahead: number;
  /** The bytes of window `index`: all of them, or it throws. */
  fetch(index: number): Promise<Buffer>;
}

export interface ReadWindows {
  /** Within the file; a signal ends the waiting, not a fetch that others may wait for. */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  clear(): void;
}

export function readWindows({ size, window: length, kept, ahead, fetch }: WindowedFile): ReadWindows {
  const windows = new Map<number, Promise<Buffer>>();
  let last = -1;
  const window = (index: number): Promise<Buffer> => {
    const known = windows.get(index);
    if (known !== undefined) {
      windows.delete(index);
      windows.set(index, known);
      return known;
    }
    const fresh = fetch(index);
    // A window that failed is asked for again by the next reader.
    fresh.catch(() => {
      if (windows.get(index) === fresh) windows.delete(index);
    });
    windows.set(index, fresh);
    for (const old of windows.keys()) {
      if (windows.size <= kept) break;
      windows.delete(old);
    }
    return fresh;
  };
  return {
    async read(offset, into, signal) {
      for (let done = 0; done < into.length; ) {
        signal?.throwIfAborted();
        const index = Math.floor((offset + done) / length);
        const wanted = window(index);
        if (index === last + 1 || index === last) {
          for (let next = index + 1; next <= index + ahead && next * length < size; next += 1)
            void window(next).catch(() => undefined);
        }
        last = index;
        const bytes = await abortable(wanted, signal);
        const from = offset + done - index * length;
        const count = Math.min(bytes.length - from, into.length - done);
        into.set(bytes.subarray(from, from + count), done);
        done += count;
      }
    },
    clear: () => windows.clear(),
  };
}
