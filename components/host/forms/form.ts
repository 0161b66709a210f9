/** What the add-host form must know of one driver. Pure; the fields themselves are in `fields.ts`. */
import { z } from "zod";
import { DriverId, type HostConnection, type HostSecret } from "#lib/domain/connection.ts";
import type { Vendor } from "#lib/domain/hardware.ts";

/** Simulated hosts are added by a button of their own. */
export const FormDriver = DriverId.exclude(["demo"]);
export type FormDriver = z.infer<typeof FormDriver>;

/** Text as it stands in the fields. A driver uses some of them; what it does not show stays as it is. */
export const HostFormFields = z.object({
  driver: FormDriver,
  name: z.string(),
  transport: z.string(),
  socket: z.string(),
  host: z.string(),
  port: z.string(),
  user: z.string(),
  remoteSocket: z.string(),
  /** How the host reaches this console; empty: as the console reaches it. */
  callback: z.string(),
  auth: z.string(),
  password: z.string(),
  privateKey: z.string(),
  passphrase: z.string(),
  caCertificate: z.string(),
  clientCertificate: z.string(),
  clientKey: z.string(),
  /** Fingerprint that a person confirmed; empty: none yet. */
  pin: z.string(),
  /** How disks come and go, where that is another way than the connection's own. */
  files: z.string(),
  sftpPort: z.string(),
  sftpUser: z.string(),
  sftpAuth: z.string(),
  sshPassword: z.string(),
  sftpPin: z.string(),
});
export type HostFormFields = z.infer<typeof HostFormFields>;

export const EMPTY_FIELDS: Omit<HostFormFields, "driver"> = {
  name: "",
  transport: "",
  socket: "",
  host: "",
  port: "",
  user: "",
  remoteSocket: "",
  callback: "",
  auth: "password",
  password: "",
  privateKey: "",
  passphrase: "",
  caCertificate: "",
  clientCertificate: "",
  clientKey: "",
  pin: "",
  files: "",
  sftpPort: "",
  sftpUser: "",
  sftpAuth: "password",
  sshPassword: "",
  sftpPin: "",
};

export type ConnectionOf<D extends FormDriver> = Extract<HostConnection, { driver: D }>["connection"];

export interface HostDriverForm<D extends FormDriver = FormDriver> {
  readonly vendor: Vendor;
  /** In the list of ways to add a host: `KVM (libvirt)`. */
  readonly label: string;
  /** One line below: what it needs there. */
  readonly hint: string;
  /** First values of the fields that this driver shows. */
  readonly initial: Partial<HostFormFields>;
  /** What to send as the connection; not yet checked. */
  connectionOf(values: HostFormFields): unknown;
  /** The secrets that were typed; null when none was. */
  secretOf(values: HostFormFields): HostSecret | null;
  /** A stored host's fields. Secrets never come back: empty fields keep them. `secrets`: names of those stored. */
  fieldsOf(connection: ConnectionOf<D>, secrets: readonly string[]): Partial<HostFormFields>;
  /** Must a person still confirm who answers? */
  needsIdentity(values: HostFormFields): boolean;
  /** Of a host with an SSH server beside it: fields of its own, and how its host key is read on the host. */
  readonly besideBySsh?: { readonly pin: "sftpPin"; readonly port: "sftpPort"; readonly command: string };
}

/** Empty text is nothing. */
export const orNull = (text: string): string | null => (text.trim() === "" ? null : text.trim());
/** Keys are read line by line: one line break at the end, as ssh-keygen writes it. */
export const pem = (text: string): string => `${text.trim()}\n`;
/** Absent when empty: the schema knows the usual port. */
export const portOf = (text: string): { port?: number } => (text.trim() === "" ? {} : { port: Number(text.trim()) });

/** The secrets of a sign-in by SSH. */
export function sshSecretOf(values: HostFormFields): HostSecret | null {
  if (values.auth === "password") return values.password === "" ? null : { password: values.password };
  if (values.privateKey.trim() === "") return null;
  return {
    privateKey: pem(values.privateKey),
    ...(values.passphrase === "" ? {} : { passphrase: values.passphrase }),
  };
}
