/** The server's whole way from the socket to the parts for tests; only the pages are replaced, by what notes how it was called. */
import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createApi } from "#lib/api/app.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { sessionLimits } from "#lib/auth/sessions.ts";
import { edgeSettings } from "#lib/edge/admit.ts";
import { proxiesFrom } from "#lib/edge/proxies.ts";
import { createUploadHandler } from "#lib/library/uploads.ts";
import type { Services } from "#lib/services/context.ts";
import { connectionLimits, limitConnections, type ConnectionLimits } from "../connections.ts";
import { createListener } from "../listen.ts";
import { clientOfCurrentRequest, createRouter } from "../route.ts";

/** How a page was called: what Next, and next-auth in it, would see. */
export interface PageCall {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly client: string | null;
}

export interface EdgeServer {
  readonly port: number;
  readonly settings: AuthSettings;
  readonly pageCalls: PageCall[];
  /** Sends these bytes as they are; answers all that came until the connection ended, or nothing new for `quietMs`. */
  raw(bytes: string, quietMs?: number): Promise<string>;
  /** One request with this target and no other reading of it in between. */
  ask(
    method: string,
    target: string,
    headers?: Record<string, string>,
    body?: string,
  ): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>;
  close(): Promise<void>;
}

export interface EdgeServerOptions {
  readonly env?: Record<string, string>;
  readonly bodyMs?: number;
  readonly connections?: ConnectionLimits;
}

export async function serveEdge(services: Services, options: EdgeServerOptions = {}): Promise<EdgeServer> {
  const env = options.env ?? {};
  const settings: AuthSettings = {
    secret: "a secret for tests only",
    secureCookies: false,
    sessions: sessionLimits(env),
  };
  const proxies = proxiesFrom(env);
  const pageCalls: PageCall[] = [];
  const listener = createRouter({
    services,
    settings,
    edge: edgeSettings(env, proxies, services.log),
    secure: false,
    dev: false,
    api: getRequestListener(createApi(services, settings, "pglite").fetch, { overrideGlobalObjects: false }),
    uploads: createUploadHandler(services, { counts: async () => true, everyMs: 60_000 }),
    async pages(request, response) {
      // As far away from the request as Next is.
      await new Promise((resolve) => setImmediate(resolve));
      const { method = "", url = "", headers, rawHeaders } = request;
      pageCalls.push({
        method,
        url,
        headers: { ...headers },
        rawHeaders: [...rawHeaders],
        client: clientOfCurrentRequest()?.address ?? null,
      });
      response.writeHead(200, { "Content-Type": "text/plain" }).end("page");
    },
    ...(options.bodyMs === undefined ? {} : { bodyMs: options.bodyMs }),
  });
  const server = createListener(null, listener, { upgrades: false });
  limitConnections(server, options.connections ?? connectionLimits(env), proxies, services.log);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    settings,
    pageCalls,
    raw: (bytes, quietMs = 1500) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
        let text = "";
        const done = (): void => {
          socket.destroy();
          resolve(text);
        };
        socket.setTimeout(quietMs, done);
        socket.on("data", (chunk) => (text += chunk.toString("latin1")));
        socket.on("end", done);
        socket.on("close", done);
        socket.on("error", (error) => (text === "" ? reject(error) : done()));
      }),
    ask: (method, target, headers = {}, body) =>
      new Promise((resolve, reject) => {
        const request = httpRequest(
          {
            host: "127.0.0.1",
            port,
            method,
            path: target,
            headers: {
              ...headers,
              ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
            },
            agent: false,
          },
          (response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
            response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
          },
        );
        request.on("error", reject);
        request.end(body);
      }),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
