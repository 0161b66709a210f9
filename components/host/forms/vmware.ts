import { type HostDriverForm, orNull, portOf } from "./form.ts";

export const vmwareForm: HostDriverForm<"vmware"> = {
  vendor: "vmware",
  label: "VMware",
  hint: "A vCenter with all its hosts, or one ESXi host, by the vSphere API",
  initial: { user: "administrator@vsphere.local" },
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
  // vCenter's own CA, or the company's, vouches for the server.
  needsIdentity: (values) => values.pin === "" && values.caCertificate.trim() === "",
};
