/** The add-host form as flat text fields, and the way to and from what the API takes. */
import type { z } from "zod";
import type { HostConnection } from "#lib/domain/connection.ts";
import { NewHost } from "#lib/domain/host.ts";
import { HostFormFields } from "./forms/form.ts";
import { emptyFields, formOf } from "./forms/registry.ts";

export const HostFormValues = HostFormFields.superRefine((values, context) => {
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
type Field = keyof HostFormFields;

const WORDS: Partial<Record<Field, string>> = {
  name: "Give the host a name of at most 80 characters",
  socket: "A path that begins with a slash",
  host: "A host name or address",
  port: "A number from 1 to 65535",
  user: "A user name",
  remoteSocket: "A path that begins with a slash, or nothing",
  sftpPort: "A number from 1 to 65535",
  sftpUser: "A user name",
};

const BESIDE: Record<string, Field> = { port: "sftpPort", user: "sftpUser", hostKey: "sftpPin" };

/** The field that a part of the connection was typed into. */
function fieldOf(path: readonly PropertyKey[], values: HostFormFields): Field {
  const last = String(path.at(-1));
  if (path.includes("files")) return BESIDE[last] ?? "files";
  if (last === "socket") return values.transport === "unix" ? "socket" : "remoteSocket";
  if (last === "hostKey" || last === "certificate") return "pin";
  return last !== "driver" && last in values ? (last as Field) : "name";
}

/** What to send; not yet checked. */
export function toNewHost(values: HostFormFields): unknown {
  const form = formOf(values.driver);
  return {
    name: values.name.trim(),
    target: { driver: values.driver, connection: form.connectionOf(values) },
    secret: form.secretOf(values),
  };
}

/** The form of a stored host. Secrets never come back, so their fields are empty: leaving them so keeps them. */
export function fromConnection(
  name: string,
  target: Exclude<HostConnection, { driver: "demo" }>,
  secrets: readonly string[],
): HostFormFields {
  return { ...emptyFields(target.driver, name), ...formOf(target.driver).fieldsOf(target.connection, secrets) };
}

export const secretOf = (values: HostFormFields) => formOf(values.driver).secretOf(values);
/** Must a person still confirm who answers? */
export const needsIdentity = (values: HostFormFields): boolean => formOf(values.driver).needsIdentity(values);
