/** Hyper-V by WS-Management (WinRM). */
import { z } from "zod";
import { CertFingerprint, Hostname, Pem, Port } from "./address.ts";

const user = z
  .string()
  .max(256)
  .regex(/^[^\x00-\x1f:"/[\]|<>+=;,?*%&]*$/);
/** How the host reaches this console; null: by the address that the console itself connects from. */
const callback = Hostname.nullable().default(null);

const HypervHttps = z.object({
  transport: z.literal("https"),
  host: Hostname,
  port: Port.default(5986),
  /** `certificate`: the client certificate is mapped to an account on the host. */
  auth: z.enum(["ntlm", "basic", "certificate"]).default("ntlm"),
  /** `Administrator`, `DOMAIN\user`, `user@domain`; empty with a client certificate. */
  user,
  /** Pinned; null with caCertificate set = verify by the CA. */
  certificate: CertFingerprint.nullable().default(null),
  caCertificate: Pem.nullable().default(null),
  clientCertificate: Pem.nullable().default(null),
  callback,
});
/** What a fresh server offers: plain HTTP, on which NTLM seals and signs every message. */
const HypervHttp = z.object({
  transport: z.literal("http"),
  host: Hostname,
  port: Port.default(5985),
  user: user.min(1),
  callback,
});
export const HypervConnection = z.discriminatedUnion("transport", [HypervHttps, HypervHttp]);
export type HypervConnection = z.infer<typeof HypervConnection>;
