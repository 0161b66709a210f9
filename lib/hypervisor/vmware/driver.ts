/** vCenter and ESXi hosts through the vSphere API. */
import type { HostSecret } from "#lib/domain/connection.ts";
import type { VsphereConnection } from "#lib/domain/connection/vmware.ts";
import { AppError } from "#lib/errors.ts";
import { readCertificate } from "#lib/wire/tls/read-certificate.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { VimClient } from "./vim-client.ts";
import { asAppError } from "./vim-fault.ts";
import { VsphereAdapter } from "./vsphere-adapter.ts";

/** `callMs`: milliseconds that an answer may take. */
export const makeVmwareDriver = (callMs?: number): HypervisorDriver<VsphereConnection, HostSecret> => ({
  id: "vmware",
  async open(connection, secret, signal) {
    const where = `${connection.host}:${connection.port}`;
    if (secret?.password === undefined) {
      throw new AppError(
        "unprocessable",
        "host.auth-failed",
        `There is no password for ${connection.user} on ${where}.`,
        {
          hint: "Give the password on the host's page.",
        },
      );
    }
    const signIn = { user: connection.user, password: secret.password };
    const client = await VimClient.open(connection, signIn, { signal, callMs }).catch((error: unknown) => {
      throw asAppError(error, `Signing in to ${where}`);
    });
    try {
      return await VsphereAdapter.open(client, signal);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw asAppError(error, `Asking ${where} what it can take`);
    }
  },
  async identify(connection, signal) {
    const fingerprint = await readCertificate(connection.host, connection.port, signal);
    return { kind: "tls-certificate", fingerprint };
  },
});

export const vmwareDriver = makeVmwareDriver();
