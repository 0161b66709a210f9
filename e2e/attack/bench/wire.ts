/** Bytes on a socket, for what no HTTP client would send. */
import { connect, type Socket } from "node:net";

export interface Exchange {
  /** Everything that came back, as Latin-1. */
  readonly text: string;
  /** Status codes of the answers, in their order. */
  readonly statuses: readonly number[];
  /** The peer closed the connection within the time. */
  readonly closed: boolean;
}

export function open(url: string, from?: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port),
      ...(from === undefined ? {} : { localAddress: from }),
    });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      // What happens later shows in `closed`.
      socket.on("error", () => undefined);
      resolve(socket);
    });
  });
}

const STATUS_LINE = /HTTP\/1\.[01] (\d{3})/g;

/** Sends the parts, then listens until the peer closes or `quietMs` pass without a byte. */
export async function exchange(
  url: string,
  parts: readonly (string | Uint8Array)[],
  options: { quietMs?: number; from?: string; gapMs?: number } = {},
): Promise<Exchange> {
  const socket = await open(url, options.from);
  const chunks: Buffer[] = [];
  const quietMs = options.quietMs ?? 1500;
  return new Promise((resolve) => {
    const end = (closed: boolean): void => {
      clearTimeout(quiet);
      socket.destroy();
      const text = Buffer.concat(chunks).toString("latin1");
      resolve({ text, statuses: [...text.matchAll(STATUS_LINE)].map((match) => Number(match[1])), closed });
    };
    const quiet = setTimeout(() => end(false), quietMs);
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      quiet.refresh();
    });
    socket.once("close", () => end(true));
    void (async () => {
      for (const part of parts) {
        if (socket.destroyed) return;
        socket.write(typeof part === "string" ? Buffer.from(part, "latin1") : part);
        quiet.refresh();
        if (options.gapMs !== undefined) await new Promise((next) => setTimeout(next, options.gapMs));
      }
    })();
  });
}

/** One request whose path goes out as it stands. Its answer's status (0: none), head and body. */
export async function rawRequest(
  url: string,
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  options: { body?: string; from?: string } = {},
): Promise<{ status: number; head: string; body: string }> {
  const { host } = new URL(url);
  const body = options.body === undefined ? null : Buffer.from(options.body);
  const fields = {
    Host: host,
    Connection: "close",
    ...(body === null ? {} : { "Content-Length": String(body.length) }),
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const { text, statuses } = await exchange(
    url,
    [`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`, ...(body === null ? [] : [body])],
    { quietMs: 8000, ...(options.from === undefined ? {} : { from: options.from }) },
  );
  const at = text.indexOf("\r\n\r\n");
  return {
    status: statuses[0] ?? 0,
    head: at < 0 ? text : text.slice(0, at),
    body: at < 0 ? "" : text.slice(at + 4),
  };
}
