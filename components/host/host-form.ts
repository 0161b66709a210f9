/** The add-host form as flat text fields, and the way to and from what the API takes. */
import { z } from "zod";
import type { LibvirtConnection } from "#lib/domain/connection.ts";
import { NewHost } from "#lib/domain/host.ts";

export const HostFormValues = z
  .object({
    name: z.string(),
    transport: z.enum(["unix", "ssh", "tls"]),
    socket: z.string(),
    host: z.string(),
    port: z.string(),
    user: z.string(),
    remoteSocket: z.string(),
    auth: z.enum(["password", "key"]),
    password: z.string(),
    privateKey: z.string(),
    passphrase: z.string(),
    caCertificate: z.string(),
    clientCertificate: z.string(),
    clientKey: z.string(),
    /** Fingerprint that a person confirmed; empty: none yet. */
    pin: z.string(),
  })
  .superRefine((values, context) => {
    const parsed = NewHost.safeParse(toNewHost(values));
    if (parsed.success) return;
    const named = new Set<string>();
    for (const issue of parsed.error.issues) {
      const field = fieldOf(issue.path, values);
      if (named.has(field)) continue;
      named.add(field);
      context.addIssue({ code: "custom", path: [field], message: WORDS[field] ?? issue.message });
    }
  });
export type HostFormValues = z.infer<typeof HostFormValues>;
type Field = keyof HostFormValues;

const WORDS: Partial<Record<Field, string>> = {
  name: "Give the host a name of at most 80 characters",
  socket: "A path that begins with a slash",
  host: "A host name or address",
  port: "A number from 1 to 65535",
  user: "A user name",
  remoteSocket: "A path that begins with a slash, or nothing",
};

function fieldOf(path: readonly PropertyKey[], values: Pick<HostFormValues, "transport">): Field {
  const last = String(path.at(-1));
  if (last === "socket") return values.transport === "unix" ? "socket" : "remoteSocket";
  if (last === "hostKey" || last === "certificate") return "pin";
  const fields: readonly Field[] = [
    "host",
    "port",
    "user",
    "password",
    "privateKey",
    "passphrase",
    "caCertificate",
    "clientCertificate",
    "clientKey",
  ];
  return fields.find((field) => field === last) ?? "name";
}

export const EMPTY_HOST: HostFormValues = {
  name: "",
  transport: "unix",
  socket: "/run/libvirt/libvirt-sock",
  host: "",
  port: "",
  user: "root",
  remoteSocket: "",
  auth: "key",
  password: "",
  privateKey: "",
  passphrase: "",
  caCertificate: "",
  clientCertificate: "",
  clientKey: "",
  pin: "",
};

const orNull = (text: string): string | null => (text.trim() === "" ? null : text.trim());
/** Keys are read line by line: one line break at the end, as ssh-keygen writes it. */
const pem = (text: string): string => `${text.trim()}\n`;

function connectionOf(values: HostFormValues): unknown {
  const port = orNull(values.port);
  switch (values.transport) {
    case "unix":
      return { transport: "unix", socket: values.socket.trim() };
    case "ssh":
      return {
        transport: "ssh",
        host: values.host.trim(),
        ...(port === null ? {} : { port: Number(port) }),
        user: values.user.trim(),
        socket: orNull(values.remoteSocket),
        hostKey: orNull(values.pin),
      };
    case "tls":
      return {
        transport: "tls",
        host: values.host.trim(),
        ...(port === null ? {} : { port: Number(port) }),
        certificate: orNull(values.pin),
        caCertificate: orNull(values.caCertificate),
        clientCertificate: orNull(values.clientCertificate),
      };
  }
}

/** The secrets that were typed; null when none was. */
export function secretOf(values: HostFormValues): z.infer<typeof NewHost>["secret"] {
  if (values.transport === "ssh" && values.auth === "password" && values.password !== "")
    return { password: values.password };
  if (values.transport === "ssh" && values.auth === "key" && values.privateKey.trim() !== "") {
    return {
      privateKey: pem(values.privateKey),
      ...(values.passphrase === "" ? {} : { passphrase: values.passphrase }),
    };
  }
  if (values.transport === "tls" && values.clientKey.trim() !== "") return { clientKey: pem(values.clientKey) };
  return null;
}

/** What to send; not yet checked. */
export function toNewHost(values: HostFormValues): unknown {
  return {
    name: values.name.trim(),
    target: { driver: "kvm", connection: connectionOf(values) },
    secret: secretOf(values),
  };
}

/** The form of a stored host. Secrets never come back, so their fields are empty: leaving them so keeps them. */
export function fromConnection(
  name: string,
  connection: LibvirtConnection,
  secrets: readonly string[],
): HostFormValues {
  const base: HostFormValues = {
    ...EMPTY_HOST,
    name,
    transport: connection.transport,
    auth: secrets.includes("password") ? "password" : "key",
  };
  switch (connection.transport) {
    case "unix":
      return { ...base, socket: connection.socket };
    case "ssh":
      return {
        ...base,
        host: connection.host,
        port: String(connection.port),
        user: connection.user,
        remoteSocket: connection.socket ?? "",
        pin: connection.hostKey ?? "",
      };
    case "tls":
      return {
        ...base,
        host: connection.host,
        port: String(connection.port),
        caCertificate: connection.caCertificate ?? "",
        clientCertificate: connection.clientCertificate ?? "",
        pin: connection.certificate ?? "",
      };
  }
}

/** Must a person still confirm who answers? A local socket has no identity; a CA vouches for a TLS server. */
export function needsIdentity(values: HostFormValues): boolean {
  if (values.transport === "unix" || values.pin !== "") return false;
  return values.transport === "ssh" || values.caCertificate.trim() === "";
}
