/** How a host is reached. Public part (stored and shown) and secret part (encrypted, never leaves the server). */
import { z } from "zod";
import { Vendor } from "./hardware.ts";

const port = z.number().int().min(1).max(65535);
/** `SHA256:base64` as OpenSSH prints it. */
const sshFingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/);
/** SHA-256 of the certificate, 64 hex digits, lower case, no colons. */
const certFingerprint = z.string().regex(/^[0-9a-f]{64}$/);
/** A host name or address; no spaces, no control characters, never starting with a dash. */
const hostname = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[A-Za-z0-9\[_:][A-Za-z0-9._:\-\[\]%]*$/);

export const LibvirtUnix = z.object({
  transport: z.literal("unix"),
  socket: z.string().min(1).max(107).startsWith("/"),
});
export const LibvirtSsh = z.object({
  transport: z.literal("ssh"),
  host: hostname,
  port: port.default(22),
  user: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9._][A-Za-z0-9._@\\-]*$/),
  /** Remote socket; null: the usual ones are tried. */
  socket: z.string().startsWith("/").max(107).nullable().default(null),
  /** Null until a person confirmed it. */
  hostKey: sshFingerprint.nullable().default(null),
});
export const LibvirtTls = z.object({
  transport: z.literal("tls"),
  host: hostname,
  port: port.default(16514),
  /** Pinned server certificate; null with caCertificate set = verify by the CA. */
  certificate: certFingerprint.nullable().default(null),
  /** PEM of the CA that signed the server's certificate. */
  caCertificate: z.string().max(65536).nullable().default(null),
  /** PEM of the client's certificate. */
  clientCertificate: z.string().max(65536).nullable().default(null),
});
export const LibvirtConnection = z.discriminatedUnion("transport", [LibvirtUnix, LibvirtSsh, LibvirtTls]);
export type LibvirtConnection = z.infer<typeof LibvirtConnection>;

export const LibvirtSecret = z.object({
  password: z.string().max(1024).optional(),
  /** PEM or OpenSSH private key. */
  privateKey: z.string().max(65536).optional(),
  passphrase: z.string().max(1024).optional(),
  /** PEM key of the TLS client certificate. */
  clientKey: z.string().max(65536).optional(),
});
export type LibvirtSecret = z.infer<typeof LibvirtSecret>;

/** A simulated host: real bytes in a folder of the data directory, never a real hypervisor. */
export const DemoConnection = z.object({ transport: z.literal("demo"), vendor: Vendor });
export type DemoConnection = z.infer<typeof DemoConnection>;

/** Driver ids: one per way to speak to a hypervisor. */
export const DRIVERS = ["kvm", "demo"] as const;
export const DriverId = z.enum(DRIVERS);
export type DriverId = z.infer<typeof DriverId>;

export const HostConnection = z.discriminatedUnion("driver", [
  z.object({ driver: z.literal("kvm"), connection: LibvirtConnection }),
  z.object({ driver: z.literal("demo"), connection: DemoConnection }),
]);
export type HostConnection = z.infer<typeof HostConnection>;
