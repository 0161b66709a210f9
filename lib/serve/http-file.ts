/** A virtual file over HTTP: GET and HEAD, one range, conditional by ETag (RFC 9110, sections 8.8.3, 13 and 14). */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pieces } from "./buffer-pool.ts";
import { parseRange } from "./byte-range.ts";
import type { VirtualFile } from "./virtual-file.ts";

/** Large enough that a request's overhead is lost in it, small enough for many clients. Bytes. */
const PIECE = 1024 * 1024;

/**
 * `etag` without quotes: the same for as long as the bytes are. Answers how many bytes of the file were sent; fewer than
 * were asked for when the client went away or `stop` aborted. Rejects when the disk cannot be read.
 */
export async function answerWithFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: VirtualFile,
  etag: string,
  stop?: AbortSignal,
): Promise<number> {
  const quoted = `"${etag}"`;
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("ETag", quoted);
  response.setHeader("Cache-Control", "no-cache");
  response.setHeader("Content-Type", "application/octet-stream");
  response.setHeader("X-Content-Type-Options", "nosniff");
  if (matches(request.headers["if-none-match"], quoted)) return end(response, 304);
  const asked = request.headers["if-match"];
  if (asked !== undefined && !matches(asked, quoted)) return end(response, 412);
  const ifRange = request.headers["if-range"];
  const range =
    request.method === "GET" && (ifRange === undefined || ifRange === quoted)
      ? parseRange(request.headers.range, file.length)
      : null;
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${file.length}`);
    return end(response, 416);
  }
  const from = range?.start ?? 0;
  const to = range === null ? file.length : range.end + 1;
  response.statusCode = range === null ? 200 : 206;
  response.setHeader("Content-Length", to - from);
  if (range !== null) response.setHeader("Content-Range", `bytes ${from}-${to - 1}/${file.length}`);
  if (request.method === "HEAD") {
    response.end();
    return 0;
  }
  return send(response, file, from, to, stop);
}

/** Without a body. */
function end(response: ServerResponse, status: number): number {
  response.statusCode = status;
  response.setHeader("Content-Length", 0);
  if (status === 304) response.removeHeader("Content-Length");
  response.end();
  return 0;
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}

async function send(
  response: ServerResponse,
  file: VirtualFile,
  from: number,
  to: number,
  stop: AbortSignal | undefined,
): Promise<number> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  response.once("close", onClose);
  const signal = stop === undefined ? gone.signal : AbortSignal.any([gone.signal, stop]);
  const piece = async (at: number): Promise<Buffer | null> => {
    if (at >= to) return null;
    const bytes = pieces.take(Math.min(PIECE, to - at));
    await file.read(at, bytes, signal);
    return bytes;
  };
  let sent = 0;
  let next = piece(from);
  try {
    for (;;) {
      const bytes = await next;
      signal.throwIfAborted();
      if (bytes === null) break;
      // The next piece is read while this one is on its way.
      next = piece(from + sent + bytes.length);
      next.catch(() => undefined);
      // Its memory is free when it has left: a client that goes away leaves it to the collector.
      const flowing = response.write(bytes, (error) => {
        if (error === undefined || error === null) pieces.give(bytes);
      });
      if (!flowing) await once(response, "drain", { signal });
      sent += bytes.length;
    }
    response.end();
  } catch (error) {
    // Too late for another status: a body that is cut short tells the client. Somebody who went away is no error.
    response.destroy();
    if (!signal.aborted) throw error;
  } finally {
    response.off("close", onClose);
  }
  return sent;
}
