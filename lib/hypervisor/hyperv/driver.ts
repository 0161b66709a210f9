/** Hyper-V on Windows Server 2016 and later, Windows 10 and 11, by WS-Management. */
import type { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { readHostKey } from "#lib/wire/ssh/open-ssh.ts";
import { readCertificate } from "#lib/wire/tls/read-certificate.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { HypervAdapter } from "./hyperv-adapter.ts";
import { HypervSession } from "./session.ts";
import { bareHost } from "./transfer/sftp-carrier.ts";

/** `stuckAfter`: milliseconds that a job of the host may stand still; `answerMs`: that an answer may take. */
export const makeHypervDriver = (
  stuckAfter?: number,
  answerMs?: number,
): HypervisorDriver<HypervConnection, HostSecret> => ({
  id: "hyperv",
  async open(connection, secret, signal) {
    const session = new HypervSession(connection, secret, { stuckAfter, answerMs });
    try {
      return await HypervAdapter.open(session, secret, signal);
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  },
  async identify(connection, signal) {
    const { host, files } = connection;
    // On plain HTTP nobody shows who he is; there the sign-in itself proves that the host knows the account.
    if (connection.transport === "https" && connection.caCertificate === null) {
      const fingerprint = await readCertificate(host, connection.port, signal);
      if (fingerprint !== connection.certificate || files.by !== "sftp")
        return { kind: "tls-certificate", fingerprint };
    }
    if (files.by !== "sftp") return null;
    return { kind: "ssh-host-key", fingerprint: await readHostKey({ host: bareHost(host), port: files.port }, signal) };
  },
});

export const hypervDriver = makeHypervDriver();
