/** HTTP as an attacker writes it: any method, any header, from any loopback address. Never throws for what the peer does. */
import { Agent, request, type IncomingHttpHeaders } from "node:http";

export interface Answer {
  /** 0: no answer; `code` says why. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: Buffer;
  /** Null for anything that is not JSON. */
  readonly json: unknown;
  /** The error's stable code; null without one. */
  readonly code: string | null;
  readonly milliseconds: number;
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is; content type by `headers`. */
  readonly raw?: string | Uint8Array;
  /** Source address; any of 127.0.0.0/8. */
  readonly from?: string;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
const MOST_BYTES = 64 * 1024 * 1024;
const agent = new Agent({ keepAlive: true, maxSockets: 32, timeout: 5000 });

/** Sockets that wait for the next question would keep the process alive and the console from ending. */
export function closeConnections(): void {
  agent.destroy();
}

export function ask(url: string, method: string, path: string, options: Ask = {}): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const raw = options.body === undefined ? options.raw : JSON.stringify(options.body);
  const bytes = raw === undefined ? null : Buffer.from(raw as string);
  const started = performance.now();
  return new Promise((resolve) => {
    const end = (status: number, headers: IncomingHttpHeaders, body: Buffer, code: string | null): void => {
      clearTimeout(timer);
      const text = body.toString("utf8");
      const json = /json/.test(headers["content-type"] ?? "") ? parsed(text) : null;
      const milliseconds = performance.now() - started;
      resolve({ status, headers, text, bytes: body, json, code: code ?? codeIn(json), milliseconds });
    };
    const failed = (error: Error): void =>
      end(0, {}, Buffer.alloc(0), "code" in error ? String(error.code) : error.message);
    const call = request(
      {
        host: hostname,
        port,
        method,
        path,
        agent,
        ...(options.from === undefined ? {} : { localAddress: options.from }),
        headers: {
          ...(options.body === undefined ? {} : { "content-type": "application/json" }),
          ...(bytes === null ? {} : { "content-length": String(bytes.length) }),
          ...options.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        // Never ends by itself: its head is the answer.
        if (response.headers["content-type"]?.startsWith("text/event-stream")) {
          end(response.statusCode ?? 0, response.headers, Buffer.alloc(0), null);
          call.destroy();
          return;
        }
        response.on("data", (chunk: Buffer) => {
          length += chunk.length;
          if (length <= MOST_BYTES) chunks.push(chunk);
        });
        response.on("end", () => end(response.statusCode ?? 0, response.headers, Buffer.concat(chunks), null));
        response.on("error", () => end(response.statusCode ?? 0, response.headers, Buffer.concat(chunks), "cut short"));
      },
    );
    const timer = setTimeout(() => call.destroy(new Error("timeout")), options.timeoutMs ?? TIMEOUT_MS);
    call.on("error", (error: NodeJS.ErrnoException) => {
      // A kept connection that the server closed at this very moment: nothing of the request was read.
      if (call.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE")) {
        clearTimeout(timer);
        resolve(ask(url, method, path, options));
      } else failed(error);
    });
    call.end(bytes ?? undefined);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function codeIn(json: unknown): string | null {
  const error = (json as { error?: { code?: unknown } } | null)?.error;
  return typeof error?.code === "string" ? error.code : null;
}
