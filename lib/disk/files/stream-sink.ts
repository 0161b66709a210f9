/** A target that only goes forward: an upload, standard output, an entry of an archive. */
import type { Writable } from "node:stream";
import { AppError } from "#lib/errors.ts";
import type { ByteSink } from "../io.ts";
import { fileError } from "./file-error.ts";

const ZEROS = Buffer.alloc(262_144);

class StreamSink implements ByteSink {
  readonly seekable = false;
  readonly #out: Writable;
  readonly #onError = (error: Error) => {
    this.#broken ??= error;
  };
  #at = 0;
  #broken: Error | null = null;
  #committed = false;

  constructor(out: Writable) {
    this.#out = out;
    // Without a listener, an error between two writes would end the process.
    out.on("error", this.#onError);
  }

  async write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (offset < this.#at) {
      throw new AppError(
        "internal",
        "io.went-back",
        `A forward-only target at byte ${this.#at} was given byte ${offset}.`,
      );
    }
    await this.#zerosTo(offset, signal);
    await this.#send(bytes, signal);
  }

  async commit(length: number, signal?: AbortSignal): Promise<void> {
    if (length < this.#at) {
      throw new AppError("internal", "io.went-back", `A target of ${length} bytes was given ${this.#at}.`);
    }
    await this.#zerosTo(length, signal);
    await this.#settle((done) => this.#out.end(done), signal);
    this.#committed = true;
  }

  async #zerosTo(offset: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#at < offset) await this.#send(ZEROS.subarray(0, Math.min(ZEROS.length, offset - this.#at)), signal);
  }

  async #send(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    if (bytes.length === 0) return;
    // The caller uses its buffer again once this resolves: only the stream's own callback says that it is free.
    await this.#settle((done) => this.#out.write(bytes, done), signal);
    this.#at += bytes.length;
  }

  #settle(start: (done: (error?: Error | null) => void) => void, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#broken !== null) throw fileError(this.#broken, "Sending", "torn");
      // A stream that dies does not always call back.
      const finish = (error: unknown) => {
        signal?.removeEventListener("abort", onAbort);
        this.#out.off("close", onClose);
        if (error === undefined || error === null) resolve();
        else reject(error);
      };
      const onAbort = () => finish(signal?.reason);
      const onClose = () =>
        finish(
          fileError(this.#broken ?? Object.assign(new Error("closed"), { code: "ECONNRESET" }), "Sending", "torn"),
        );
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#out.once("close", onClose);
      start((error) => finish(error === undefined || error === null ? null : fileError(error, "Sending", "torn")));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#committed) this.#out.destroy();
  }
}

/** Gaps become zeros. Disposing without commit destroys the stream, so that the other side sees it cut. */
export function createStreamSink(out: Writable): ByteSink {
  return new StreamSink(out);
}
