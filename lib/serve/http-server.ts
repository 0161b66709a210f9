/** One virtual file on a port of its own, for whoever has the address and, if there is one, the token. */
import { timingSafeEqual, createHash, randomUUID } from "node:crypto";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { errorToJson } from "#lib/errors.ts";
import { answerWithFile } from "./http-file.ts";
import type { ServeTls } from "./tls.ts";
import type { VirtualFile } from "./virtual-file.ts";

export interface HttpServeOptions {
  readonly file: VirtualFile;
  readonly tls: ServeTls | null;
  /** `Authorization: Bearer …`; null: anybody who reaches the port. */
  readonly token: string | null;
  readonly onError: (error: unknown) => void;
}

/** GET and HEAD of `/NAME`; `/` leads there. Not yet listening. */
export function createFileServer({ file, tls, token, onError }: HttpServeOptions): Server {
  const path = `/${encodeURIComponent(file.name)}`;
  // Identifiers inside the file are drawn anew each time: it is another file after a restart.
  const etag = randomUUID();
  const listener: RequestListener = (request, response) => {
    const asked = (request.url ?? "/").split("?", 1)[0];
    if (token !== null && !sameToken(request.headers.authorization, token)) {
      response.setHeader("WWW-Authenticate", "Bearer");
      response.writeHead(401).end();
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { Allow: "GET, HEAD" }).end();
    } else if (asked === "/") {
      response.writeHead(302, { Location: path }).end();
    } else if (asked !== path) {
      response.writeHead(404).end();
    } else {
      answerWithFile(request, response, file, etag).catch((error: unknown) => {
        onError(error);
        if (!response.headersSent) response.writeHead(500, { "Content-Type": "application/json" });
        response.end(JSON.stringify({ error: errorToJson(error) }));
      });
    }
  };
  const server =
    tls === null ? createHttpServer(listener) : createHttpsServer({ ...tls, minVersion: "TLSv1.2" }, listener);
  // One answer may take hours; slow headers keep their limit.
  server.requestTimeout = 0;
  return server;
}

function sameToken(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(header ?? ""), digest(`Bearer ${token}`));
}
