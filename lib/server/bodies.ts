/** Bodies that never end: each holds a connection, and most of them come from nobody that we know. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** To read the answer in; what still comes of the body meanwhile is thrown away. */
const LAST_WORDS_MS = 2000;

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Cuts the connection when the whole body is not here in time: with 408, unless an answer is under way. */
export function cutSlowBody(request: IncomingMessage, response: ServerResponse, limitMs: number): void {
  if (!hasBody(request)) return;
  const timer = setTimeout(() => {
    if (request.complete) return;
    // Raw, as Node does it: whoever waits for the body finds it broken off, and answers nothing any more.
    if (!response.headersSent && request.socket.writable)
      request.socket.end("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    setTimeout(() => request.socket.destroy(), LAST_WORDS_MS).unref();
    request.destroy();
  }, limitMs);
  timer.unref();
  const clear = (): void => clearTimeout(timer);
  request.once("end", clear);
  request.once("close", clear);
}

/** An answer that was given before the body was read ends the connection soon after: a refused sender cannot go on sending. */
export function cutUnreadBody(request: IncomingMessage, response: ServerResponse): void {
  if (!hasBody(request)) return;
  response.once("finish", () => {
    if (request.complete) return;
    setTimeout(() => {
      if (!request.complete) request.socket.destroy();
    }, LAST_WORDS_MS).unref();
  });
}
