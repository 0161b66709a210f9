/** KVM hosts through libvirt's `qemu:///system`. */
import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { LibvirtClient } from "../libvirt/client.ts";
import { asAppError } from "../libvirt/libvirt-error.ts";
import { identifyPeer } from "../libvirt/transport.ts";
import { readKvmHost } from "./capabilities.ts";
import { KvmAdapter } from "./kvm-adapter.ts";

export const kvmDriver: HypervisorDriver<LibvirtConnection, HostSecret> = {
  id: "kvm",
  async open(connection, secret, signal) {
    const client = await LibvirtClient.open(connection, secret, "qemu:///system", signal).catch((error: unknown) => {
      throw asAppError(error, "Connecting to libvirt");
    });
    try {
      const adapter = new KvmAdapter(client, await readKvmHost(client, signal));
      await adapter.listen(signal);
      return adapter;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw asAppError(error, "Asking libvirt what the host can do");
    }
  },
  identify: identifyPeer,
};
