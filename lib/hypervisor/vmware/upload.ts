/** The bytes of one file on their way to a host: a sink that is one POST, with back-pressure. */
import type { ByteSink } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import type { Lease, LeaseDevice } from "./lease.ts";

/** After the last byte the host still unpacks what it got. */
const ANSWER_MS = 600_000;

/** Bytes that wait for the connection: packing the next of them goes on meanwhile. */
const MOST_WAITING = 4 * 1024 * 1024;

/** Chunks on their way to the reader; whoever pushes waits while too many wait. */
class Channel implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #ended = false;
  #failure: { error: unknown } | null = null;
  #sleepers: (() => void)[] = [];

  #sleep(): Promise<void> {
    return new Promise((resolve) => this.#sleepers.push(resolve));
  }

  #wake(): void {
    const sleepers = this.#sleepers;
    this.#sleepers = [];
    for (const wake of sleepers) wake();
  }

  async push(chunk: Uint8Array): Promise<void> {
    while (this.#waiting >= MOST_WAITING && this.#failure === null) await this.#sleep();
    if (this.#failure !== null) throw this.#failure.error;
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error;
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#waiting -= chunk.length;
        this.#wake();
        yield chunk;
      } else if (this.#ended) return;
      else await this.#sleep();
    }
  }
}

function late(name: string): AppError {
  return new AppError("unavailable", "host.timeout", `${name} got the whole disk and does not say that it has it.`, {
    hint: "Check that the host's storage is not overloaded.",
  });
}

/** Owns the lease: committing completes it, disposing without that gives it up. */
export function leaseSink(lease: Lease, device: LeaseDevice, virtualSize: number, signal?: AbortSignal): ByteSink {
  const channel = new Channel();
  const stop = new AbortController();
  const signals = [stop.signal, lease.lost, ...(signal === undefined ? [] : [signal])];
  const { peer, path } = lease.target(device);
  let at = 0;
  const answer = (async () => {
    const response = await peer.request({
      method: "POST",
      path,
      headers: { "content-type": "application/x-vnd.vmware-streamVmdk" },
      body: channel,
      // The answer comes after the last byte, however long the bytes take.
      timeout: 0,
      signal: AbortSignal.any(signals),
    });
    const words = (await response.text(2000)).trim();
    if (response.status >= 200 && response.status < 300) return;
    throw new AppError(
      "unprocessable",
      "host.refused",
      `The host refused the disk with HTTP status ${response.status}${words === "" ? "" : `: ${words.slice(0, 300)}`}.`,
      {
        details: { status: response.status },
      },
    );
  })();
  const failed = answer.catch(async (error: unknown) => {
    const why: unknown =
      signal?.aborted === true
        ? signal.reason
        : lease.lost.aborted
          ? lease.lost.reason
          : stop.signal.aborted
            ? error
            : await lease.explain(error);
    channel.fail(why);
    throw why;
  });
  failed.catch(() => undefined);

  const send = async (bytes: Uint8Array, stopped?: AbortSignal): Promise<void> => {
    stopped?.throwIfAborted();
    // The caller uses its memory again; the connection has not yet sent it.
    await channel.push(Buffer.from(bytes));
    at += bytes.length;
    // A packed disk is smaller than what the guest sees: the figure is for the host's task list.
    lease.percent = Math.min(99, (at / Math.max(1, virtualSize)) * 100);
  };
  const skip = async (to: number, stopped?: AbortSignal): Promise<void> => {
    if (to < at) throw new AppError("internal", "io.backwards", "A stream cannot go back.");
    while (at < to) await send(Buffer.alloc(Math.min(1024 ** 2, to - at)), stopped);
  };
  return {
    seekable: false,
    async write(offset, bytes, stopped) {
      await skip(offset, stopped);
      await send(bytes, stopped);
    },
    async commit(length, stopped) {
      await skip(length, stopped);
      channel.end();
      const timer = setTimeout(() => stop.abort(late(peer.name)), ANSWER_MS);
      try {
        await failed;
      } finally {
        clearTimeout(timer);
      }
      await lease.complete(stopped);
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new AppError("cancelled", "cancelled", "The upload was given up."));
      channel.fail(stop.signal.reason);
      await lease[Symbol.asyncDispose]();
    },
  };
}
