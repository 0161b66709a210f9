/** Hyper-V on Windows Server 2016 and later, Windows 10 and 11, by WS-Management. */
import type { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { readCertificate } from "#lib/wire/tls/read-certificate.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { HypervAdapter } from "./hyperv-adapter.ts";
import { HypervSession } from "./session.ts";

/** `stuckAfter`: milliseconds that a job of the host may stand still. */
export const makeHypervDriver = (stuckAfter?: number): HypervisorDriver<HypervConnection, HostSecret> => ({
  id: "hyperv",
  async open(connection, secret, signal) {
    const session = new HypervSession(connection, secret, stuckAfter);
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
    return { kind: "tls-certificate", fingerprint: await readCertificate(connection.host, connection.port, signal) };
  },
});

export const hypervDriver = makeHypervDriver();
