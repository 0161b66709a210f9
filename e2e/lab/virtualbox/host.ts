/** The lab's VirtualBox as hosts that the product connects to. */
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import type { VirtualBoxSshd } from "./sshd.ts";
import type { VirtualBoxLab } from "./virtualbox.ts";

type Target = Extract<HostConnection, { driver: "virtualbox" }>;

/** This process, its threads and the programs that inherit its environment run this VBoxManage from now on. */
export function localTarget(lab: Pick<VirtualBoxLab, "executable">): Target {
  process.env["SUPRAVISOR_VBOXMANAGE"] = lab.executable;
  return { driver: "virtualbox", connection: { transport: "local" } };
}

export function sshTarget(sshd: VirtualBoxSshd): { target: Target; secret: HostSecret } {
  const { port, user, hostKey, clientKey } = sshd;
  return {
    target: {
      driver: "virtualbox",
      connection: { transport: "ssh", host: "127.0.0.1", port, user, hostKey },
    },
    secret: { privateKey: clientKey },
  };
}
