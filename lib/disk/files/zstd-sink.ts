/** A target that is packed by zstd on its way: forward only, its length known at the end. */
import { once } from "node:events";
import { constants, createZstdCompress } from "node:zlib";
import type { ByteSink } from "../io.ts";
import { createStreamSink } from "./stream-sink.ts";

const LEVEL = 3;

class ZstdSink implements ByteSink {
  readonly seekable = false;
  readonly #inner: ByteSink;
  readonly #pack = createZstdCompress({
    chunkSize: 262_144,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  readonly #front = createStreamSink(this.#pack);
  readonly #drained: Promise<number>;

  constructor(inner: ByteSink) {
    this.#inner = inner;
    this.#drained = this.#drain();
    // Whoever writes next, or commits, hears of it.
    this.#drained.catch(() => undefined);
  }

  async #drain(): Promise<number> {
    let at = 0;
    try {
      for await (const bytes of this.#pack as AsyncIterable<Buffer>) {
        await this.#inner.write(at, bytes);
        at += bytes.length;
      }
    } catch (error) {
      this.#pack.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
    return at;
  }

  async write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#front.write(offset, bytes, signal);
  }

  async commit(length: number, signal?: AbortSignal): Promise<void> {
    await this.#front.commit(length, signal);
    await this.#inner.commit(await this.#drained, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#front[Symbol.asyncDispose]();
    if (!this.#pack.closed) await once(this.#pack, "close").catch(() => undefined);
    await this.#drained.catch(() => undefined);
    await this.#inner[Symbol.asyncDispose]();
  }
}

/** Owns `inner`. */
export function createZstdSink(inner: ByteSink): ByteSink {
  return new ZstdSink(inner);
}
