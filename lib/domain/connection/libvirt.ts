/** libvirt's RPC: a socket here, a socket behind SSH, or TLS. */
import { z } from "zod";
import { CertFingerprint, Hostname, Pem, Port, SshFingerprint, SshUser } from "./address.ts";

const LibvirtUnix = z.object({
  transport: z.literal("unix"),
  socket: z.string().min(1).max(107).startsWith("/"),
});
const LibvirtSsh = z.object({
  transport: z.literal("ssh"),
  host: Hostname,
  port: Port.default(22),
  user: SshUser,
  /** Remote socket; null: the usual ones are tried. */
  socket: z.string().startsWith("/").max(107).nullable().default(null),
  /** Null until a person confirmed it. */
  hostKey: SshFingerprint.nullable().default(null),
});
const LibvirtTls = z.object({
  transport: z.literal("tls"),
  host: Hostname,
  port: Port.default(16514),
  /** Pinned server certificate; null with caCertificate set = verify by the CA. */
  certificate: CertFingerprint.nullable().default(null),
  /** PEM of the CA that signed the server's certificate. */
  caCertificate: Pem.nullable().default(null),
  /** PEM of the client's certificate. */
  clientCertificate: Pem.nullable().default(null),
});
export const LibvirtConnection = z.discriminatedUnion("transport", [LibvirtUnix, LibvirtSsh, LibvirtTls]);
export type LibvirtConnection = z.infer<typeof LibvirtConnection>;
