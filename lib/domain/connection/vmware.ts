/** The vSphere API of a vCenter or of one ESXi host. */
import { z } from "zod";
import { CertFingerprint, Hostname, Pem, Port } from "./address.ts";

export const VsphereConnection = z.object({
  transport: z.literal("https"),
  host: Hostname,
  port: Port.default(443),
  /** `administrator@vsphere.local`, `root`, `DOMAIN\name`. */
  user: z.string().min(1).max(256),
  /** Pinned server certificate; null with caCertificate set = verify by the CA. */
  certificate: CertFingerprint.nullable().default(null),
  /** PEM of the CA that signed the server's certificate. */
  caCertificate: Pem.nullable().default(null),
});
export type VsphereConnection = z.infer<typeof VsphereConnection>;
