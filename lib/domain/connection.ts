/** How a host is reached. Public part (stored and shown) and secret part (encrypted, never leaves the server). */
import { z } from "zod";
import { DemoConnection } from "./connection/demo.ts";
import { HypervConnection } from "./connection/hyperv.ts";
import { LibvirtConnection } from "./connection/libvirt.ts";
import { VsphereConnection } from "./connection/vmware.ts";
import { VirtualBoxConnection } from "./connection/virtualbox.ts";
import { XapiConnection } from "./connection/xapi.ts";
import type { Vendor } from "./hardware.ts";

/** Driver ids: one per way to speak to a hypervisor. */
export const DRIVERS = ["kvm", "vmware", "xen", "xapi", "virtualbox", "hyperv", "demo"] as const;
export const DriverId = z.enum(DRIVERS);
export type DriverId = z.infer<typeof DriverId>;

/**
 * A `hostKey` field is an SSH pin, a `certificate` field a TLS pin; either is null until a person confirmed it.
 * A `caCertificate` vouches for the peer in place of a pin.
 */
export const HostConnection = z.discriminatedUnion("driver", [
  z.object({ driver: z.literal("kvm"), connection: LibvirtConnection }),
  z.object({ driver: z.literal("vmware"), connection: VsphereConnection }),
  z.object({ driver: z.literal("xen"), connection: LibvirtConnection }),
  z.object({ driver: z.literal("xapi"), connection: XapiConnection }),
  z.object({ driver: z.literal("virtualbox"), connection: VirtualBoxConnection }),
  z.object({ driver: z.literal("hyperv"), connection: HypervConnection }),
  z.object({ driver: z.literal("demo"), connection: DemoConnection }),
]);
export type HostConnection = z.infer<typeof HostConnection>;

/** What each driver speaks to. A simulated host says it itself. */
export const VENDOR_OF_DRIVER = {
  kvm: "kvm",
  vmware: "vmware",
  xen: "xen",
  xapi: "xen",
  virtualbox: "virtualbox",
  hyperv: "hyperv",
} satisfies Record<Exclude<DriverId, "demo">, Vendor>;

/**
 * Is it this server itself that the connection acts on: a program that is run here, a socket of this machine? Only who may
 * add hosts names one.
 */
export function isLocal({ connection }: HostConnection): boolean {
  switch (connection.transport) {
    case "local":
    case "unix":
      return true;
    case "ssh":
    case "tls":
    case "https":
    case "http":
    case "demo":
      return false;
  }
}

/** Every secret that some driver needs; a connection uses those that fit its transport. */
export const HostSecret = z.object({
  password: z.string().max(1024).optional(),
  /** PEM or OpenSSH private key. */
  privateKey: z.string().max(65536).optional(),
  passphrase: z.string().max(1024).optional(),
  /** Of an account for SSH beside the one that `password` is of. */
  sshPassword: z.string().max(1024).optional(),
  /** PEM key of the TLS client certificate. */
  clientKey: z.string().max(65536).optional(),
});
export type HostSecret = z.infer<typeof HostSecret>;
