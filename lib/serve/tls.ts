import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { AppError } from "#lib/errors.ts";

/** PEM, for node:tls. With `ca` only clients with a certificate of it are served. */
export interface ServeTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/** Throws `serve.tls-files` for files that cannot be read, or do not work together. */
export async function readServeTls(paths: { cert: string; key: string; clientCa?: string }): Promise<ServeTls> {
  try {
    const tls: ServeTls = {
      cert: await readFile(paths.cert),
      key: await readFile(paths.key),
      ...(paths.clientCa === undefined
        ? {}
        : { ca: await readFile(paths.clientCa), requestCert: true, rejectUnauthorized: true }),
    };
    createSecureContext(tls);
    return tls;
  } catch (cause) {
    throw new AppError(
      "invalid",
      "serve.tls-files",
      `The TLS files are of no use: ${cause instanceof Error ? cause.message : "unknown reason"}.`,
      {
        hint: "They are PEM files: a certificate with its chain, its key, and the certificate of the clients' CA.",
        cause,
      },
    );
  }
}
