import { AppError } from "#lib/errors.ts";
import { openTls } from "./open-tls.ts";

/** SHA-256 of the certificate that a server shows, lower-case hex, for a person to confirm. Nothing is sent to it. */
export async function readCertificate(host: string, port: number, signal?: AbortSignal): Promise<string> {
  try {
    const none = { certificate: null, ca: null, clientKey: null, clientCertificate: null };
    const socket = await openTls({ host, port, ...none }, signal);
    socket.destroy();
  } catch (error) {
    const shown =
      error instanceof AppError && error.code === "host.identity-unconfirmed" ? error.details?.["fingerprint"] : null;
    if (typeof shown === "string") return shown;
    throw error;
  }
  throw new AppError("internal", "host.identity-unconfirmed", `${host}:${port} was trusted without a certificate.`);
}
