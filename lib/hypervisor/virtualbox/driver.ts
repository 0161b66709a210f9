/** VirtualBox through VBoxManage, here or over SSH. */
import type { HostSecret } from "#lib/domain/connection.ts";
import type { VirtualBoxConnection } from "#lib/domain/connection/virtualbox.ts";
import { readHostKey } from "#lib/wire/ssh/open-ssh.ts";
import type { HypervisorDriver } from "../adapter.ts";
import type { HostMachine } from "./host-machine.ts";
import { LocalMachine } from "./local-machine.ts";
import { SshMachine } from "./ssh-machine.ts";
import { VBoxManage } from "./vboxmanage.ts";
import { VirtualBoxAdapter } from "./virtualbox-adapter.ts";

export const virtualBoxDriver: HypervisorDriver<VirtualBoxConnection, HostSecret> = {
  id: "virtualbox",
  async open(connection, secret, signal) {
    const machine: HostMachine =
      connection.transport === "local" ? new LocalMachine() : await SshMachine.open(connection, secret, signal);
    try {
      return await VirtualBoxAdapter.open(await VBoxManage.find(machine, signal), signal);
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  },
  async identify(connection, signal) {
    if (connection.transport === "local") return null;
    return { kind: "ssh-host-key", fingerprint: await readHostKey(connection, signal) };
  },
};
