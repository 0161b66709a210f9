/** Composition root of the console: one process with the API, the pages, the inventory and an embedded worker. */
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import next from "next";
import { createApi } from "#lib/api/app.ts";
import { signInByOidc, signInByPassword, signOut, type UserRow } from "#lib/auth/accounts.ts";
import { provideAccountChecks, type SignedIn } from "#lib/auth/registry.ts";
import { isStillAlive, STILL_ALIVE_EVERY_MS, sessionLimits, startSession, userOfSession } from "#lib/auth/sessions.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { startAuditUpkeep } from "#lib/audit/upkeep.ts";
import { lockDataDir } from "#lib/db/lock.ts";
import { edgeSettings, type EdgeSettings } from "#lib/edge/admit.ts";
import { proxiesFrom } from "#lib/edge/proxies.ts";
import { startInventorySync } from "#lib/inventory/sync.ts";
import { startRunner } from "#lib/jobs/runner.ts";
import { startDailyCheck } from "#lib/library/check/daily.ts";
import { startLibrarySweep } from "#lib/library/sweep.ts";
import { createUploadHandler } from "#lib/library/uploads.ts";
import { startSweep } from "#lib/provisioning/sweep.ts";
import { keyFile } from "#lib/secrets/key-file.ts";
import type { Services } from "#lib/services/context.ts";
import { productVersion } from "#lib/version.ts";
import { closeInWords, openClosers } from "./closers.ts";
import { connectionLimits, limitConnections } from "./connections.ts";
import { sendConsoleToLog } from "./console-log.ts";
import { administratorFromEnvironment, setupAddress } from "./first-administrator.ts";
import { HANDLERS, runnerOptions } from "./handlers.ts";
import { addressOf, closeListener, createListener, listen, tlsFiles } from "./listen.ts";
import { openLog } from "./log.ts";
import { onlyHere } from "./only-here.ts";
import { clientOfCurrentRequest, createRouter } from "./route.ts";
import { openServices } from "./services.ts";

export interface ServerOptions {
  /** 0: any free one. */
  readonly port: number;
  readonly hostname?: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly databaseUrl?: string;
  readonly dev: boolean;
  /** See OpenOptions in services.ts. */
  readonly newDatabase?: boolean;
  readonly acceptNewKey?: boolean;
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunningServer {
  readonly url: string;
  /** Where the first administrator is made, with the code in it; null when there is one. */
  readonly setupUrl: string | null;
  close(): Promise<void>;
}

const root = join(import.meta.dirname, "..", "..");
/** The worker gives its jobs ten seconds to stop. */
const WORKER_CLOSE_MS = 11_000;
/** A session that is just being opened gives up at the next answer of its host. */
const INVENTORY_CLOSE_MS = 8000;

/** Throws `data.in-use`, `db.*`, `server.port-taken`, and closes whatever it had opened. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = openLog();
  const opened = openClosers(log);
  const database = options.databaseUrl === undefined ? "embedded" : "postgres";
  log.info({ version: productVersion, pid: process.pid, dataDir: options.dataDir, database }, "the console starts");
  try {
    const proxies = proxiesFrom(process.env);
    const edge = edgeSettings(process.env, proxies, log);
    const connections = connectionLimits(process.env);
    const limits = sessionLimits(process.env);
    const tls = await tlsFiles();
    const lock = await lockDataDir(options.dataDir);
    opened.add("lock", () => lock.release());
    const only = onlyHere(log);
    const base = await openServices({ ...options, log, displaced: only.displaced });
    opened.add("services", () => base.close());
    const { services } = base;
    const upkeep = await startAuditUpkeep(services);
    opened.add("audit", () => upkeep.close());
    await administratorFromEnvironment(services);

    const secure = tls !== null || edge.ownUrl?.protocol === "https:";
    const settings: AuthSettings = {
      secret: process.env["NEXTAUTH_SECRET"] || (await keyFile(join(options.dataDir, "auth.key"))).toString("base64"),
      secureCookies: secure,
      sessions: limits,
    };
    provideSignIn(services, settings, edge);

    // While pages are being developed, what the framework prints is for the person at the terminal.
    if (!options.dev) {
      const restore = sendConsoleToLog(log);
      opened.add("console", async () => restore());
    }

    const pages = next({ dev: options.dev, dir: root, customServer: true });
    await pages.prepare();
    opened.add("pages", () => pages.close());
    const api = createApi(services, settings, base.database.driver, () => base.claim?.state() ?? "held");
    const listener = createRouter({
      services,
      settings,
      edge,
      secure,
      dev: options.dev,
      api: getRequestListener(api.fetch, { overrideGlobalObjects: false }),
      uploads: createUploadHandler(services, {
        counts: (credential) => isStillAlive(services.db, limits, credential),
        everyMs: STILL_ALIVE_EVERY_MS,
      }),
      pages: pages.getRequestHandler(),
    });

    const inventory = await startInventorySync(services);
    opened.add("inventory", only.close("inventory", inventory), INVENTORY_CLOSE_MS);
    const librarySweep = await startLibrarySweep(services);
    opened.add("library", only.close("library", librarySweep));
    const dailyCheck = startDailyCheck(services);
    opened.add("library check", only.close("library check", dailyCheck));
    const runner = await startRunner(services, base.queue, HANDLERS, runnerOptions());
    opened.add("worker", () => runner.close(), WORKER_CLOSE_MS);
    const sweep = startSweep(services);
    opened.add("sweep", only.close("sweep", sweep));

    const server = createListener(tls, listener, { upgrades: options.dev });
    limitConnections(server, connections, proxies, log);
    await listen(server, options, log);
    opened.add("http", () => closeListener(server));
    const url = process.env["SUPRAVISOR_URL"] ?? addressOf(server, tls !== null, options.hostname);
    await lock.announce(url);
    log.info({ url }, "listening");
    return { url, setupUrl: await setupAddress(services, url), close: () => closeInWords(opened, log) };
  } catch (error) {
    await opened.closeAll();
    throw error;
  }
}

function provideSignIn(services: Services, settings: AuthSettings, { ownUrl }: EdgeSettings): void {
  process.env["NEXTAUTH_SECRET"] = settings.secret;
  if (ownUrl !== null) process.env["NEXTAUTH_URL"] = ownUrl.href;
  // Without an address of its own the console answers under whatever name it was asked by.
  else process.env["AUTH_TRUST_HOST"] = "1";
  const { db, log } = services;
  const signedIn = async (user: UserRow, how: "password" | "oidc", address: string | null): Promise<SignedIn> => ({
    userId: user.id,
    sessionId: await startSession(db, settings.sessions, user, how, address),
  });
  provideAccountChecks({
    ...settings,
    log,
    clientAddress: () => clientOfCurrentRequest()?.address ?? null,
    byPassword: async (input) =>
      signedIn(await signInByPassword(services, { ...input, via: "web" }), "password", input.address),
    async byOidc(input) {
      const user = await signInByOidc(services, input);
      return user === null ? null : signedIn(user, "oidc", input.address);
    },
    sessionLives: async (id) => (await userOfSession(db, settings.sessions, id)) !== null,
    signedOut: (input) => signOut(services, input),
  });
}
