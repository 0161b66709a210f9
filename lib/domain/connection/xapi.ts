/** XenServer and XCP-ng: the XenAPI of a pool over HTTPS. */
import { z } from "zod";
import { CertFingerprint, Hostname, Pem, Port } from "./address.ts";

export const XapiConnection = z.object({
  transport: z.literal("https"),
  /** Any member of the pool: a slave tells where its master is. */
  host: Hostname,
  port: Port.default(443),
  user: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[^\u0000-\u001f]+$/),
  /** Pinned certificate of the pool's master; null with caCertificate set = verify by the CA. */
  certificate: CertFingerprint.nullable().default(null),
  /** PEM of the CA that signed the certificates of all members. */
  caCertificate: Pem.nullable().default(null),
});
export type XapiConnection = z.infer<typeof XapiConnection>;
