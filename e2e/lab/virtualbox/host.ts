/** The lab's VirtualBox as hosts that the product connects to. */
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import type { VirtualBoxSshd } from "./sshd.ts";
import type { VirtualBoxLab } from "./virtualbox.ts";

type Target = Extract<HostConnection, { driver: "virtualbox" }>;

export function localTarget(lab: VirtualBoxLab): Target {
  return { driver: "virtualbox", connection: { transport: "local", program: lab.executable } };
}

export function sshTarget(sshd: VirtualBoxSshd): { target: Target; secret: HostSecret } {
  const { port, user, hostKey, clientKey } = sshd;
  return {
    target: {
      driver: "virtualbox",
      connection: { transport: "ssh", host: "127.0.0.1", port, user, program: null, hostKey },
    },
    secret: { privateKey: clientKey },
  };
}
