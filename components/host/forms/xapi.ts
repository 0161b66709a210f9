import { type HostDriverForm, orNull, portOf } from "./form.ts";

export const xapiForm: HostDriverForm<"xapi"> = {
  vendor: "xen",
  label: "XenServer, XCP-ng",
  hint: "A pool by the XenAPI over HTTPS; the address of any member will do",
  initial: { user: "root" },
  connectionOf: (values) => ({
    transport: "https",
    host: values.host.trim(),
    ...portOf(values.port),
    user: values.user.trim(),
    certificate: orNull(values.pin),
    caCertificate: orNull(values.caCertificate),
  }),
  secretOf: (values) => (values.password === "" ? null : { password: values.password }),
  fieldsOf: (connection) => ({
    host: connection.host,
    port: String(connection.port),
    user: connection.user,
    caCertificate: connection.caCertificate ?? "",
    pin: connection.certificate ?? "",
  }),
  // A CA vouches for every member.
  needsIdentity: (values) => values.pin === "" && values.caCertificate.trim() === "",
};
