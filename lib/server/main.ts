/** Composition root of the console: one process with the API, the pages, the inventory and an embedded worker. */
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import next from "next";
import { createApi } from "#lib/api/app.ts";
import { identify, peerAddress } from "#lib/api/guard.ts";
import { statusOf } from "#lib/api/errors.ts";
import { signInByOidc, signInByPassword } from "#lib/auth/accounts.ts";
import { provideAccountChecks } from "#lib/auth/registry.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { lockDataDir } from "#lib/db/lock.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import { startInventorySync } from "#lib/inventory/sync.ts";
import { startRunner } from "#lib/jobs/runner.ts";
import { startLibrarySweep } from "#lib/library/sweep.ts";
import { createUploadHandler } from "#lib/library/uploads.ts";
import { startSweep } from "#lib/provisioning/sweep.ts";
import { keyFile } from "#lib/secrets/box.ts";
import type { Services } from "#lib/services/context.ts";
import { administratorFromEnvironment } from "./first-administrator.ts";
import { CONCURRENCY, HANDLERS } from "./handlers.ts";
import { pagePolicy, setCommonHeaders } from "./headers.ts";
import { openLog } from "./log.ts";
import { openServices } from "./services.ts";

export interface ServerOptions {
  /** 0: any free one. */
  readonly port: number;
  readonly hostname?: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly databaseUrl?: string;
  readonly dev: boolean;
}

export interface RunningServer {
  readonly url: string;
  close(): Promise<void>;
}

const root = join(import.meta.dirname, "..", "..");
const CLOSE_MS = 10_000;

interface Closer {
  readonly name: string;
  close(): Promise<void>;
}

/** Throws `data.in-use`, `db.*`, `server.port-taken`, and closes whatever it had opened. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = openLog();
  const opened: Closer[] = [];
  const closeAll = async (): Promise<void> => {
    for (const { name, close } of opened.splice(0).reverse()) {
      await close().catch((error: unknown) => log.error({ err: error }, `closing ${name} failed`));
    }
  };
  try {
    const lock = await lockDataDir(options.dataDir);
    opened.push({ name: "lock", close: () => lock.release() });
    const base = await openServices({ ...options, log });
    opened.push({ name: "services", close: () => base.close() });
    const { services } = base;
    await administratorFromEnvironment(services);

    const tls = await tlsFiles();
    const secure = tls !== null || (process.env["SUPRAVISOR_URL"] ?? "").startsWith("https://");
    const settings: AuthSettings = {
      secret: process.env["NEXTAUTH_SECRET"] ?? (await keyFile(join(options.dataDir, "auth.key"))).toString("base64"),
      secureCookies: secure,
    };
    provideSignIn(services, settings);

    const pages = next({ dev: options.dev, dir: root, customServer: true });
    await pages.prepare();
    opened.push({ name: "pages", close: () => pages.close() });
    const api = createApi(services, settings, base.database.driver);
    const listener = route({
      services,
      settings,
      secure,
      dev: options.dev,
      api: getRequestListener(api.fetch, { overrideGlobalObjects: false }),
      uploads: createUploadHandler(services),
      pages: pages.getRequestHandler(),
    });

    const inventory = await startInventorySync(services);
    opened.push({ name: "inventory", close: () => inventory.close() });
    const librarySweep = await startLibrarySweep(services);
    opened.push({ name: "library", close: () => librarySweep.close() });
    const runner = await startRunner(services, base.queue, HANDLERS, { concurrency: CONCURRENCY });
    opened.push({ name: "worker", close: () => runner.close() });
    const sweep = startSweep(services);
    opened.push({ name: "sweep", close: () => sweep.close() });

    const server = tls === null ? createHttpServer(listener) : createHttpsServer(tls, listener);
    // An upload of a hundred gigabytes is one request; idle and slow-header limits stay.
    server.requestTimeout = 0;
    await listen(server, options);
    opened.push({ name: "http", close: () => closeHttp(server) });
    const url = process.env["SUPRAVISOR_URL"] ?? addressOf(server, tls !== null, options.hostname);
    await lock.announce(url);
    return { url, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function provideSignIn(services: Services, settings: AuthSettings): void {
  process.env["NEXTAUTH_SECRET"] = settings.secret;
  const own = process.env["SUPRAVISOR_URL"];
  if (own) process.env["NEXTAUTH_URL"] = own;
  // Without an address of its own the console answers under whatever name it was asked by.
  else process.env["AUTH_TRUST_HOST"] = "1";
  provideAccountChecks({
    ...settings,
    async byPassword(input) {
      const user = await signInByPassword(services, input);
      return { id: user.id, epoch: user.sessionEpoch };
    },
    async byOidc(input) {
      const user = await signInByOidc(services, input);
      return user === null ? null : { id: user.id, epoch: user.sessionEpoch };
    },
  });
}

interface Routes {
  readonly services: Services;
  readonly settings: AuthSettings;
  readonly secure: boolean;
  readonly dev: boolean;
  readonly api: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly uploads: ReturnType<typeof createUploadHandler>;
  readonly pages: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

function route(routes: Routes): RequestListener {
  const { services, secure } = routes;
  return (request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    setCommonHeaders(response, secure);
    const work = path === "/api/v1/uploads" || path.startsWith("/api/v1/uploads/")
      ? answerUpload(routes, request, response)
      : path.startsWith("/api/v1/")
        ? routes.api(request, response)
        : answerPage(routes, request, response, path);
    work.catch((error: unknown) => {
      services.log.error({ err: error, path }, "request failed");
      if (!response.headersSent) response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify({ error: errorToJson(error) }));
      else response.destroy();
    });
  };
}

/** Image files go by here and not through the API: no body limit, no copying. */
async function answerUpload(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const ctx = await identify(routes.services, routes.settings, request);
    await routes.uploads(request, response, ctx);
  } catch (error) {
    const json = errorToJson(error);
    if (json.kind === "internal") routes.services.log.error({ err: error }, "upload failed");
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.writeHead(statusOf(json.kind), { "content-type": "application/json" }).end(JSON.stringify({ error: json }));
  }
}

async function answerPage(routes: Routes, request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const policy = pagePolicy(routes.dev);
  response.setHeader("Content-Security-Policy", policy.csp);
  request.headers["content-security-policy"] = policy.csp;
  if (path.startsWith("/api/auth/")) {
    // Said by us alone, whatever the client sent under these names.
    request.headers["x-supravisor-address"] = peerAddress(request) ?? "";
    request.headers["x-forwarded-host"] ??= request.headers.host ?? "localhost";
    request.headers["x-forwarded-proto"] ??= routes.secure ? "https" : "http";
  }
  await routes.pages(request, response);
}

async function tlsFiles(): Promise<{ cert: Buffer; key: Buffer } | null> {
  const cert = process.env["SUPRAVISOR_TLS_CERT"];
  const key = process.env["SUPRAVISOR_TLS_KEY"];
  if (!cert || !key) return null;
  return { cert: await readFile(cert), key: await readFile(key) };
}

function listen(server: Server, options: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === "EADDRINUSE";
      reject(
        new AppError(
          taken ? "conflict" : "unavailable",
          taken ? "server.port-taken" : "server.cannot-listen",
          taken ? `Port ${options.port} is in use by another program.` : `Cannot listen on port ${options.port}: ${cause.message}`,
          { hint: "Give another one by PORT.", cause },
        ),
      );
    });
    server.listen({ port: options.port, ...(options.hostname === undefined ? {} : { host: options.hostname }) }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

function addressOf(server: Server, secure: boolean, hostname: string | undefined): string {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `${secure ? "https" : "http"}://${hostname ?? "localhost"}:${port}`;
}

async function closeHttp(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // Event streams never end by themselves.
  const timer = setTimeout(() => server.closeAllConnections(), Math.min(1000, CLOSE_MS));
  await closed;
  clearTimeout(timer);
}
