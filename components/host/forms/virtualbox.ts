import { type HostDriverForm, orNull, portOf, sshSecretOf } from "./form.ts";

export const virtualBoxForm: HostDriverForm<"virtualbox"> = {
  vendor: "virtualbox",
  label: "VirtualBox",
  hint: "Through VBoxManage: on this server, or on a Linux, macOS or Windows machine over SSH",
  initial: { transport: "ssh", auth: "key" },
  connectionOf(values) {
    if (values.transport === "local") return { transport: "local" };
    return {
      transport: "ssh",
      host: values.host.trim(),
      ...portOf(values.port),
      user: values.user.trim(),
      hostKey: orNull(values.pin),
    };
  },
  secretOf: (values) => (values.transport === "ssh" ? sshSecretOf(values) : null),
  fieldsOf(connection, secrets) {
    const base = {
      transport: connection.transport,
      auth: secrets.includes("password") ? "password" : "key",
    };
    if (connection.transport === "local") return base;
    return {
      ...base,
      host: connection.host,
      port: String(connection.port),
      user: connection.user,
      pin: connection.hostKey ?? "",
    };
  },
  needsIdentity: (values) => values.transport === "ssh" && values.pin === "",
};
