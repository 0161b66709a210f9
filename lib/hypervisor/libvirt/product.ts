/** What the hypervisors behind libvirt differ in. Everything else is one adapter. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { VmSpec } from "../adapter.ts";
import type { LibvirtClient } from "./client.ts";
import type { DiskPlace } from "./storage/disk-place.ts";
import type { DomainRef } from "./types.ts";

/** A host as it was read when the session opened. */
export interface LibvirtHost {
  readonly capabilities: HostCapabilities;
  readonly arch: string;
  readonly cpuModel: string | null;
}

export interface LibvirtProduct<Host extends LibvirtHost = LibvirtHost> {
  /** As shown with its version: `QEMU/KVM by libvirt`. */
  readonly name: string;
  /** For messages: `KVM hosts`. */
  readonly hosts: string;
  /** `qemu:///system` */
  readonly uri: string;
  /** Endings of the files that new disks become, by the formats that are taken. */
  readonly endings: Partial<Record<DiskFormatId, string>>;
  /** Throws `host.no-hypervisor`. */
  readHost(client: LibvirtClient, signal?: AbortSignal): Promise<Host>;
  /** XML of a new domain; `places`: its disks on the host, in the spec's order. */
  domainXml(spec: VmSpec, tag: string, host: Host, places: readonly DiskPlace[]): string;
  /** The host's own domain, which is no guest. */
  isControlDomain(domain: DomainRef): boolean;
  /** virDomainUndefineFlags that the driver knows. */
  readonly undefineFlags: number;
  /** The driver can press the reset button; else it is off and on again. */
  readonly canReset: boolean;
}
