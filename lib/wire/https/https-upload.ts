/** One POST whose body is sent while it is made, on a connection of its own and out of the caller's own memory. */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { AppError } from "#lib/errors.ts";
import { authorityOf } from "./authority.ts";
import { countInterim } from "./interim.ts";
import { openTls, type TlsTarget } from "#lib/wire/tls/open-tls.ts";

/** Of the answer, bytes that are read for its words. */
const MOST_WORDS = 2000;

export interface UploadRequest {
  readonly method: "POST" | "PUT";
  /** With its query, escaped. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Ends it at any time. */
  readonly signal: AbortSignal;
}

export interface UploadAnswer {
  readonly status: number;
  /** The beginning of what the peer says. */
  readonly words: string;
}

/**
 * Nothing is copied on the way: a piece is encrypted where it lies, and its memory is the caller's again when `write`
 * resolves. The body goes in chunks, since its length shows only at its end.
 */
export class HttpsUpload implements AsyncDisposable {
  readonly #request: ClientRequest;
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #answer: Promise<UploadAnswer>;
  #ended = false;
  /** An answer before the end of the body is a refusal of it; so is the end of the connection. */
  #stopped: { readonly reason: unknown } | null = null;
  #giveUp: ((reason: unknown) => void) | null = null;

  private constructor(request: ClientRequest, name: string, signal: AbortSignal) {
    this.#request = request;
    this.#name = name;
    this.#signal = signal;
    this.#answer = new Promise<UploadAnswer>((resolve, reject) => {
      const closed = (): void => reject(new Error("the connection was closed"));
      request.once("close", closed);
      request.on("error", reject);
      request.on(
        "information",
        countInterim(name, (error) => request.destroy(error)),
      );
      request.once("response", (response) => {
        // From here on the response says how it ends.
        request.removeListener("close", closed);
        request.removeListener("error", reject);
        request.on("error", () => undefined);
        wordsOf(response).then(resolve, reject);
      });
    }).catch((error: unknown) => {
      throw this.#told(error);
    });
    this.#answer.then(
      ({ status, words }) => {
        if (!this.#ended) this.#stop(new EarlyAnswer(status, words));
      },
      (error: unknown) => this.#stop(error),
    );
    const abort = (): void => {
      this.#stop(signal.reason);
      request.destroy();
    };
    signal.addEventListener("abort", abort, { once: true });
    request.once("close", () => signal.removeEventListener("abort", abort));
  }

  /** Throws what openTls throws. */
  static async open(target: TlsTarget, request: UploadRequest): Promise<HttpsUpload> {
    const { signal, method, path, headers } = request;
    signal.throwIfAborted();
    const socket = await openTls(target, signal);
    if (signal.aborted) {
      socket.destroy();
      throw signal.reason;
    }
    const name = authorityOf(target);
    const sent = httpRequest({
      createConnection: () => socket,
      method,
      path,
      headers: { host: name, connection: "close", "transfer-encoding": "chunked", ...headers },
    });
    sent.once("close", () => socket.destroy());
    sent.flushHeaders();
    return new HttpsUpload(sent, name, signal);
  }

  #stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#giveUp?.(this.#stopped.reason);
    this.#giveUp = null;
  }

  /** One at a time. Throws `host.unreachable`, the signal's reason, and EarlyAnswer when the peer wants no more of it. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#stopped !== null) throw this.#stopped.reason;
    if (bytes.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#giveUp = reject;
      this.#request.write(bytes, (error) => {
        this.#giveUp = null;
        if (error === null || error === undefined) resolve();
        else reject(this.#told(error));
      });
    });
  }

  /** Ends the body and waits for what the peer says to it. Throws as `write`. */
  async end(): Promise<UploadAnswer> {
    this.#ended = true;
    if (this.#stopped === null) this.#request.end();
    else if (!(this.#stopped.reason instanceof EarlyAnswer)) throw this.#stopped.reason;
    return this.#answer;
  }

  #told(error: unknown): unknown {
    if (this.#signal.aborted) return this.#signal.reason;
    if (error instanceof AppError) return error;
    return new AppError(
      "unavailable",
      "host.unreachable",
      `The connection to ${this.#name} broke: ${error instanceof Error ? error.message : "no reason given"}.`,
      { hint: "Check that the host is up and that nothing in between cuts connections.", cause: error },
    );
  }

  /** Breaks it off if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#request.destroy();
  }
}

/** The peer answered before the body was whole. */
export class EarlyAnswer extends Error implements UploadAnswer {
  readonly status: number;
  readonly words: string;

  constructor(status: number, words: string) {
    super(`HTTP ${status} before the end of the body`);
    this.status = status;
    this.words = words;
  }
}

async function wordsOf(response: IncomingMessage): Promise<UploadAnswer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    length += part.length;
    if (length >= MOST_WORDS) break;
  }
  return {
    status: response.statusCode ?? 0,
    words: Buffer.concat(parts).subarray(0, MOST_WORDS).toString("utf8").trim(),
  };
}
