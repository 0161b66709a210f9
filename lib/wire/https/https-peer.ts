/** Requests to one HTTPS server whose certificate is pinned or vouched for by a given CA. Connections are kept alive. */
import { Pool } from "undici";
import { AppError } from "#lib/errors.ts";
import { openTls, type TlsTarget } from "#lib/wire/tls/open-tls.ts";
import { BytePieces } from "../byte-pieces.ts";
import { paced } from "../paced.ts";
import { authorityOf } from "./authority.ts";
import { countInterim } from "./interim.ts";
import { HttpsUpload, type UploadRequest } from "./https-upload.ts";

export interface HttpsRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** With its query, escaped. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /**
   * Milliseconds until the headers of the answer, between two pieces of its body, and of all waiting for a body that hardly
   * comes (`paced`); 0: the signal alone ends it.
   */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpsResponse {
  readonly status: number;
  header(name: string): string | null;
  readonly cookies: readonly string[];
  /** To be read to its end or broken off: either frees the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  /** At most `limit` bytes of it, the rest is not read. */
  text(limit: number): Promise<string>;
}

export class HttpsPeer implements AsyncDisposable {
  readonly #target: TlsTarget;
  readonly #pool: Pool;
  readonly name: string;

  constructor(target: TlsTarget, options: { readonly connections?: number } = {}) {
    this.#target = target;
    this.name = `${target.host}:${target.port}`;
    this.#pool = new Pool(`https://${authorityOf(target)}`, {
      connections: options.connections ?? 8,
      keepAliveTimeout: 30_000,
      // Each connection proves anew who answers, before anything is sent through it.
      connect: (_options, done) => {
        openTls(target).then(
          (socket) => done(null, socket),
          (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), null),
        );
      },
    });
  }

  /** Throws what openTls throws, `host.unreachable`, `host.timeout`. The caller looks at the status. */
  async request(request: HttpsRequest): Promise<HttpsResponse> {
    const { signal } = request;
    const stop = new AbortController();
    try {
      const response = await this.#pool.request({
        method: request.method,
        path: request.path,
        headers: { ...request.headers },
        body: request.body ?? null,
        headersTimeout: request.timeout,
        bodyTimeout: request.timeout,
        signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
        onInfo: countInterim(this.name, (error) => stop.abort(error)),
      });
      const cookies = response.headers["set-cookie"];
      const told = (error: unknown) => this.#told(error, signal);
      const body = paced(response.body as AsyncIterable<Uint8Array>, { name: this.name, ms: request.timeout });
      return {
        status: response.statusCode,
        header: (name) => {
          const value = response.headers[name.toLowerCase()];
          return value === undefined ? null : Array.isArray(value) ? (value[0] ?? null) : value;
        },
        cookies: cookies === undefined ? [] : Array.isArray(cookies) ? cookies : [cookies],
        body: {
          async *[Symbol.asyncIterator]() {
            try {
              yield* body;
            } catch (error) {
              throw told(error);
            }
          },
        },
        text: async (limit) => {
          try {
            const parts = new BytePieces();
            for await (const chunk of body) {
              parts.add(chunk);
              if (parts.length >= limit) break;
            }
            return parts.bytes().subarray(0, limit).toString("utf8");
          } catch (error) {
            throw told(error);
          }
        },
      };
    } catch (error) {
      throw this.#told(error, signal);
    }
  }

  /** A body that is made while it goes, on a connection of its own. Throws what openTls throws. */
  upload(request: UploadRequest): Promise<HttpsUpload> {
    return HttpsUpload.open(this.#target, request);
  }

  #told(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason;
    if (error instanceof AppError) return error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") {
      return new AppError("unavailable", "host.timeout", `${this.name} did not answer in time.`, {
        hint: "Check that the host is up and not overloaded.",
        cause: error,
      });
    }
    return new AppError(
      "unavailable",
      "host.unreachable",
      `The connection to ${this.name} broke: ${error instanceof Error ? error.message : "no reason given"}.`,
      { hint: "Check that the host is up and that nothing in between cuts connections.", cause: error },
    );
  }

  /** Breaks off whatever still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}
