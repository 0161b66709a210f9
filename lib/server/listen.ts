/** The socket: plain or TLS, its errors in words, and its end. */
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Logger } from "pino";
import { AppError } from "#lib/errors.ts";

export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** SUPRAVISOR_TLS_CERT and SUPRAVISOR_TLS_KEY; null without them. Throws `server.tls-files`: never falls back to plain HTTP. */
export async function tlsFiles(): Promise<TlsFiles | null> {
  const cert = process.env["SUPRAVISOR_TLS_CERT"];
  const key = process.env["SUPRAVISOR_TLS_KEY"];
  if (!cert && !key) return null;
  const hint =
    "SUPRAVISOR_TLS_CERT and SUPRAVISOR_TLS_KEY name two PEM files: the certificate with its chain, and its key.";
  if (!cert || !key)
    throw new AppError("invalid", "server.tls-files", "Only one of certificate and key is given.", { hint });
  try {
    return { cert: await readFile(cert), key: await readFile(key) };
  } catch (cause) {
    throw new AppError(
      "invalid",
      "server.tls-files",
      `The TLS files cannot be read: ${cause instanceof Error ? cause.message : ""}.`,
      { hint, cause },
    );
  }
}

/** Throws `server.tls-files` for files that are no certificate and key. */
export function createListener(
  tls: TlsFiles | null,
  listener: RequestListener,
  { upgrades }: { readonly upgrades: boolean },
): Server {
  // Next hooks into upgrades by itself: they would be requests that nobody has admitted.
  const options = { shouldUpgradeCallback: () => upgrades };
  const server = tls === null ? createHttpServer(options, listener) : secured({ ...options, ...tls }, listener);
  // An upload of a hundred gigabytes is one request: bodies have limits of their own, see bodies.ts and append-body.ts.
  server.requestTimeout = 0;
  return server;
}

/** To agree on TLS; the limit for headers begins after it. */
const HANDSHAKE_MS = 20_000;

function secured(options: TlsFiles & ServerOptions, listener: RequestListener): Server {
  try {
    return createHttpsServer({ ...options, minVersion: "TLSv1.2", handshakeTimeout: HANDSHAKE_MS }, listener);
  } catch (cause) {
    throw new AppError(
      "invalid",
      "server.tls-files",
      "The TLS certificate and key do not work together, or are not PEM.",
      { cause },
    );
  }
}

/** Throws `server.port-taken` or `server.cannot-listen`. */
export function listen(
  server: Server,
  options: { port: number; hostname?: string },
  log: Pick<Logger, "error">,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (cause: NodeJS.ErrnoException): void => {
      const taken = cause.code === "EADDRINUSE";
      reject(
        new AppError(
          taken ? "conflict" : "unavailable",
          taken ? "server.port-taken" : "server.cannot-listen",
          taken
            ? `Port ${options.port} is in use by another program.`
            : `Cannot listen on port ${options.port}: ${cause.message}`,
          { hint: "Give another one by PORT.", cause },
        ),
      );
    };
    server.once("error", refused);
    server.listen({ port: options.port, ...(options.hostname === undefined ? {} : { host: options.hostname }) }, () => {
      server.off("error", refused);
      // What is refused before is told by the caller, once.
      server.on("error", (error) => log.error({ err: error }, "the listening socket"));
      resolve();
    });
  });
}

export function addressOf(server: Server, secure: boolean, hostname: string | undefined): string {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const name = hostname?.includes(":") ? `[${hostname}]` : (hostname ?? "localhost");
  return `${secure ? "https" : "http"}://${name}:${port}`;
}

/** Event streams never end by themselves, and an upload may be in the middle: both come back by themselves. */
const LAST_WORDS_MS = 1000;

export async function closeListener(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), LAST_WORDS_MS);
  await closed;
  clearTimeout(timer);
}
