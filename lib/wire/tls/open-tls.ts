/** A TLS connection to a peer that is pinned by its certificate, or vouched for by a CA that the person gave. */
import { createHash } from "node:crypto";
import { connect, type TLSSocket } from "node:tls";
import { AppError } from "#lib/errors.ts";

export interface TlsTarget {
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the certificate, lower-case hex; null: `ca` decides. */
  readonly certificate: string | null;
  /** SHA-1 or SHA-256 that somebody whom we trust gave for this very connection; lower-case hex. */
  readonly thumbprint?: string;
  readonly ca: string | null;
  readonly clientCertificate: string | null;
  readonly clientKey: string | null;
}

const CONNECT_MS = 15_000;

/** The certificate that the peer showed, DER. Those that it sent along, as many as it likes, are not looked at. */
export function shownBy(socket: TLSSocket): Buffer {
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Buffer };
  if (raw !== undefined) return raw;
  socket.destroy();
  throw new AppError("unavailable", "host.unreachable", "The host shows no certificate.", {
    hint: "Something between here and the host may not speak TLS as it should.",
  });
}

/**
 * The signal is for the opening: the connection outlives it. Throws `host.identity-unconfirmed`, `host.key-changed`
 * (fingerprint in `details`), `host.auth-failed`, `host.unreachable`.
 */
export async function openTls(target: TlsTarget, signal?: AbortSignal): Promise<TLSSocket> {
  signal?.throwIfAborted();
  const where = `${target.host}:${target.port}`;
  let socket: TLSSocket;
  try {
    socket = await new Promise<TLSSocket>((resolve, reject) => {
      const open = connect({
        host: target.host,
        port: target.port,
        ...(/^[\d.:[\]]+$/.test(target.host) ? {} : { servername: target.host }),
        // Decided below: by the pin, or by the CA that was given. Nothing is written before.
        rejectUnauthorized: false,
        minVersion: "TLSv1.2",
        ...(target.ca === null ? {} : { ca: target.ca }),
        ...(target.clientCertificate === null ? {} : { cert: target.clientCertificate }),
        ...(target.clientKey === null ? {} : { key: target.clientKey }),
      });
      open.setTimeout(CONNECT_MS, () => open.destroy(new Error("no answer in 15 seconds")));
      const onAbort = (): void => void open.destroy(new Error("cancelled"));
      signal?.addEventListener("abort", onAbort, { once: true });
      const onError = (error: Error): void => {
        signal?.removeEventListener("abort", onAbort);
        reject(error);
      };
      open.once("error", onError);
      open.once("secureConnect", () => {
        open.setTimeout(0);
        open.removeListener("error", onError);
        signal?.removeEventListener("abort", onAbort);
        resolve(open);
      });
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new AppError(
      "unavailable",
      "host.unreachable",
      `${where} cannot be reached by TLS: ${cause instanceof Error ? cause.message : "no answer"}.`,
      {
        hint: "Check the address, the port, the firewall, and that the client certificate and key belong together.",
        cause,
      },
    );
  }
  const raw = shownBy(socket);
  const shown = createHash("sha256").update(raw).digest("hex");
  if (target.thumbprint !== undefined) {
    const short = createHash("sha1").update(raw).digest("hex");
    if (target.thumbprint === shown || target.thumbprint === short) return socket;
  }
  const trusted = target.certificate !== null ? shown === target.certificate : target.ca !== null && socket.authorized;
  if (trusted) return socket;
  const why = socket.authorizationError;
  socket.destroy();
  if (target.certificate !== null) {
    throw new AppError(
      "unprocessable",
      "host.key-changed",
      `${where} shows another certificate (${shown}) than the one that was confirmed. Nothing was sent.`,
      {
        hint: "If the host has a new certificate, test the connection and confirm it. Otherwise somebody may be in between.",
        details: { fingerprint: shown },
      },
    );
  }
  throw new AppError(
    "unprocessable",
    "host.identity-unconfirmed",
    `The certificate of ${where} (${shown}) is not confirmed${target.ca === null ? "" : `, and the CA does not vouch for it: ${String(why)}`}.`,
    {
      hint: "Compare it with what `openssl x509 -noout -fingerprint -sha256` prints on the host, then confirm it.",
      details: { fingerprint: shown },
    },
  );
}
