/** Plain Xen hosts (libxl) through libvirt's `xen:///system`. */
import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { openLibvirt } from "../libvirt/open-libvirt.ts";
import type { LibvirtProduct } from "../libvirt/product.ts";
import { identifyPeer } from "../libvirt/transport.ts";
import { readXenHost, type XenHost } from "./capabilities.ts";
import { xenDomainXml } from "./define-domain.ts";

const XEN: LibvirtProduct<XenHost> = {
  name: "Xen by libvirt",
  hosts: "Xen hosts",
  uri: "xen:///system",
  endings: { raw: "img", qcow2: "qcow2" },
  readHost: readXenHost,
  domainXml: xenDomainXml,
  // Domain-0 runs the host itself.
  isControlDomain: (domain) => domain.id === 0 || domain.name === "Domain-0",
  // With its managed save; libxl refuses the other flags.
  undefineFlags: 1,
  canReset: false,
};

export const xenDriver: HypervisorDriver<LibvirtConnection, HostSecret> = {
  id: "xen",
  open: (connection, secret, signal) => openLibvirt(connection, secret, XEN, signal),
  identify: identifyPeer,
};
