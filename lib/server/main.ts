/** Composition root of the console: one process with the API, the pages, the inventory and an embedded worker. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import next from "next";
import { createApi } from "#lib/api/app.ts";
import { identify, peerAddress } from "#lib/api/guard.ts";
import { errorAnswer } from "#lib/api/errors.ts";
import { signInByOidc, signInByPassword, signOut } from "#lib/auth/accounts.ts";
import { provideAccountChecks } from "#lib/auth/registry.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { lockDataDir } from "#lib/db/lock.ts";
import { startInventorySync } from "#lib/inventory/sync.ts";
import { startRunner } from "#lib/jobs/runner.ts";
import { startLibrarySweep } from "#lib/library/sweep.ts";
import { createUploadHandler } from "#lib/library/uploads.ts";
import { startSweep } from "#lib/provisioning/sweep.ts";
import { keyFile } from "#lib/secrets/key-file.ts";
import type { Services } from "#lib/services/context.ts";
import { openClosers } from "./closers.ts";
import { administratorFromEnvironment } from "./first-administrator.ts";
import { HANDLERS, runnerOptions } from "./handlers.ts";
import { DATA_POLICY, pagePolicy, setCommonHeaders } from "./headers.ts";
import { addressOf, closeListener, createListener, listen, tlsFiles } from "./listen.ts";
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
/** The worker gives its jobs ten seconds to stop. */
const WORKER_CLOSE_MS = 11_000;

/** Throws `data.in-use`, `db.*`, `server.port-taken`, and closes whatever it had opened. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = openLog();
  const opened = openClosers(log);
  try {
    const tls = await tlsFiles();
    const lock = await lockDataDir(options.dataDir);
    opened.add("lock", () => lock.release());
    const base = await openServices({ ...options, log });
    opened.add("services", () => base.close());
    const { services } = base;
    await administratorFromEnvironment(services);

    const secure = tls !== null || (process.env["SUPRAVISOR_URL"] ?? "").startsWith("https://");
    const settings: AuthSettings = {
      secret: process.env["NEXTAUTH_SECRET"] ?? (await keyFile(join(options.dataDir, "auth.key"))).toString("base64"),
      secureCookies: secure,
    };
    provideSignIn(services, settings);

    const pages = next({ dev: options.dev, dir: root, customServer: true });
    await pages.prepare();
    opened.add("pages", () => pages.close());
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
    opened.add("inventory", () => inventory.close());
    const librarySweep = await startLibrarySweep(services);
    opened.add("library", () => librarySweep.close());
    const runner = await startRunner(services, base.queue, HANDLERS, runnerOptions());
    opened.add("worker", () => runner.close(), WORKER_CLOSE_MS);
    const sweep = startSweep(services);
    opened.add("sweep", () => sweep.close());

    const server = createListener(tls, listener, log);
    await listen(server, options);
    opened.add("http", () => closeListener(server));
    const url = process.env["SUPRAVISOR_URL"] ?? addressOf(server, tls !== null, options.hostname);
    await lock.announce(url);
    return { url, close: () => opened.closeAll() };
  } catch (error) {
    await opened.closeAll();
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
    signedOut: (input) => signOut(services, input),
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
    if (path.startsWith("/api/v1/")) response.setHeader("Content-Security-Policy", DATA_POLICY);
    const work =
      path === "/api/v1/uploads" || path.startsWith("/api/v1/uploads/")
        ? answerUpload(routes, request, response)
        : path.startsWith("/api/v1/")
          ? routes.api(request, response)
          : answerPage(routes, request, response, path);
    work.catch((error: unknown) => {
      sendError(services, response, error, path);
    });
  };
}

/** Image files go by here and not through the API: no body limit, no copying. */
async function answerUpload(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const ctx = await identify(routes.services, routes.settings, request);
    await routes.uploads(request, response, ctx);
  } catch (error) {
    sendError(routes.services, response, error, "/api/v1/uploads");
  }
}

function sendError(services: Services, response: ServerResponse, thrown: unknown, path: string): void {
  const { status, headers, body } = errorAnswer(thrown, services.log, { path });
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

async function answerPage(
  routes: Routes,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
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
