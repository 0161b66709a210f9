/** KVM hosts through libvirt's `qemu:///system`. */
import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { openLibvirt } from "../libvirt/open-libvirt.ts";
import type { LibvirtProduct } from "../libvirt/product.ts";
import { identifyPeer } from "../libvirt/transport.ts";
import { readKvmHost, type KvmHost } from "./capabilities.ts";
import { domainXml } from "./define-domain.ts";

const KVM: LibvirtProduct<KvmHost> = {
  name: "QEMU/KVM by libvirt",
  hosts: "KVM hosts",
  uri: "qemu:///system",
  endings: { qcow2: "qcow2", raw: "img" },
  readHost: readKvmHost,
  domainXml: (spec, tag, { virtType, arch }, paths) => domainXml(spec, tag, { virtType, arch, paths }),
  isControlDomain: () => false,
  // With its managed save, snapshot metadata and NVRAM: 1 + 2 + 4.
  undefineFlags: 7,
  canReset: true,
  bridges: false,
};

/** `callMs`: milliseconds that a call waits for its answer. */
export const makeKvmDriver = (callMs?: number): HypervisorDriver<LibvirtConnection, HostSecret> => ({
  id: "kvm",
  open: (connection, secret, signal) => openLibvirt(connection, secret, KVM, signal, callMs),
  identify: identifyPeer,
});

export const kvmDriver = makeKvmDriver();
