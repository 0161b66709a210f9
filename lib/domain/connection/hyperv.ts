/** Hyper-V by WS-Management (WinRM). */
import { z } from "zod";
import { CertFingerprint, Hostname, Pem, Port, SshFingerprint } from "./address.ts";

const user = z
  .string()
  .max(256)
  .regex(/^[^\x00-\x1f:"/[\]|<>+=;,?*%&]*$/);
/** How the host reaches this console, when it moves disks itself; null: by the address that the console connects from. */
const callback = Hostname.nullable().default(null);

/** How disks come and go: the host itself fetches and sends them, or OpenSSH on the host takes and gives them. */
const files = z
  .discriminatedUnion("by", [
    z.object({ by: z.literal("winrm") }),
    z.object({
      by: z.literal("sftp"),
      port: Port.default(22),
      user: user.min(1),
      /** Null until a person confirmed it. */
      hostKey: SshFingerprint.nullable().default(null),
    }),
  ])
  .default({ by: "winrm" });

const HypervHttps = z.object({
  transport: z.literal("https"),
  host: Hostname,
  port: Port.default(5986),
  /** `certificate`: the client certificate is mapped to an account on the host. */
  auth: z.enum(["ntlm", "kerberos", "basic", "certificate"]).default("ntlm"),
  /** `Administrator`, `DOMAIN\user`, `user@domain`; empty with a client certificate. */
  user,
  /** Pinned; null with caCertificate set = verify by the CA. */
  certificate: CertFingerprint.nullable().default(null),
  caCertificate: Pem.nullable().default(null),
  clientCertificate: Pem.nullable().default(null),
  callback,
  files,
});
/** What a fresh server offers: plain HTTP, on which NTLM or Kerberos seals and signs every message. */
const HypervHttp = z.object({
  transport: z.literal("http"),
  host: Hostname,
  port: Port.default(5985),
  auth: z.enum(["ntlm", "kerberos"]).default("ntlm"),
  user: user.min(1),
  callback,
  files,
});
/** Kerberos knows accounts by their realm and hosts by the names that their domain gave them. */
export const HypervConnection = z
  .discriminatedUnion("transport", [HypervHttps, HypervHttp])
  .superRefine(({ auth, host, user: account }, context) => {
    if (auth !== "kerberos") return;
    if (!/^[^@\\]+@[^@\\]+$/.test(account))
      context.addIssue({ code: "custom", path: ["user"], message: "For Kerberos: user@domain.example" });
    if (/^[\d.]+$|:/.test(host))
      context.addIssue({ code: "custom", path: ["host"], message: "For Kerberos: the host's full name, no address" });
  });
export type HypervConnection = z.infer<typeof HypervConnection>;
