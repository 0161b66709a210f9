import { createHash } from "node:crypto";
import { connect } from "node:tls";
import type { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { HypervAdapter } from "./hyperv-adapter.ts";
import { HypervSession } from "./session.ts";

const IDENTIFY_MS = 15_000;

export const hypervDriver: HypervisorDriver<HypervConnection, HostSecret> = {
  id: "hyperv",
  async open(connection, secret, signal) {
    const session = new HypervSession(connection, secret);
    try {
      return await HypervAdapter.open(session, signal);
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  },
  async identify(connection, signal) {
    // On plain HTTP nobody shows who he is; there the sign-in itself proves that the host knows the account.
    if (connection.transport === "http") return null;
    return { kind: "tls-certificate", fingerprint: await fingerprintOf(connection, signal) };
  },
};

function fingerprintOf(connection: HypervConnection, signal: AbortSignal | undefined): Promise<string> {
  const { host, port } = connection;
  return new Promise((resolve, reject) => {
    // Nothing is sent, so nobody is trusted.
    const socket = connect({ host, port, rejectUnauthorized: false, minVersion: "TLSv1.2" });
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy();
      reject(
        new AppError("unavailable", "host.unreachable", `${host}:${port} cannot be reached by TLS: ${why}.`, {
          hint: "Check the address, the port, and that WinRM has an HTTPS listener.",
          cause,
        }),
      );
    };
    socket.setTimeout(IDENTIFY_MS, () => fail("no answer in 15 seconds"));
    signal?.addEventListener("abort", () => fail("cancelled"), { once: true });
    socket.once("error", (error) => fail(error.message, error));
    socket.once("secureConnect", () => {
      const { raw } = socket.getPeerCertificate(true);
      socket.destroy();
      resolve(createHash("sha256").update(raw).digest("hex"));
    });
  });
}
