/** A file that a peer sends by PUT, as it comes. A transfer that was cut goes on where it stopped. */
import type { IncomingMessage } from "node:http";
import { AppError } from "#lib/errors.ts";

type Settled = { readonly error: unknown } | { readonly end: true };

export class Incoming {
  readonly #name: string;
  #received = 0;
  #length: number | null = null;
  #request: IncomingMessage | null = null;
  #settled: Settled | null = null;
  #wake: () => void = () => undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Bytes that were taken so far. */
  get received(): number {
    return this.#received;
  }

  get complete(): boolean {
    return this.#length !== null && this.#received === this.#length;
  }

  /**
   * Takes one request's body; `from` and `total` as its Content-Range or Content-Length say. Answers the HTTP status:
   * 409 for a body that does not go on where the last one ended.
   */
  async take(request: IncomingMessage, from: number, total: number): Promise<number> {
    if (this.#settled !== null) return 409;
    if (this.#request !== null) {
      // The peer began anew: what it had before is dead, though this side has not heard of it.
      this.#request.destroy();
      return 409;
    }
    if (from !== this.#received || (this.#length !== null && this.#length !== total)) return 409;
    this.#length = total;
    this.#request = request;
    this.#wake();
    // Until all of it was read by whoever wants the file, or the peer went away.
    await new Promise<void>((resolve) => request.once("close", resolve));
    this.#request = null;
    this.#wake();
    return this.complete ? 201 : 400;
  }

  /** No more will come: what was waited for ends with this. */
  fail(error: unknown): void {
    this.#settled ??= { error };
    this.#request?.destroy();
    this.#wake();
  }

  /** For once. Ends when the whole length has come; throws what `fail` was given. */
  async *bytes(): AsyncIterable<Uint8Array> {
    while (!this.complete) {
      if (this.#settled !== null) {
        if ("error" in this.#settled) throw this.#settled.error;
        break;
      }
      const request = this.#request;
      if (request === null) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      try {
        for await (const piece of request) {
          this.#received += (piece as Buffer).length;
          if (this.#length !== null && this.#received > this.#length) {
            throw new AppError("unavailable", "host.protocol", `${this.#name}: more came than was announced.`);
          }
          yield piece as Buffer;
        }
      } catch (error) {
        if (error instanceof AppError) throw error;
        // The connection broke; the peer may go on.
      }
      while (this.#request === request && this.#settled === null && !this.complete) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  /** Whoever reads has had enough. */
  close(): void {
    this.#settled ??= { end: true };
    this.#request?.destroy();
    this.#wake();
  }
}
