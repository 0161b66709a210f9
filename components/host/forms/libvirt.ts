import { type HostDriverForm, orNull, pem, portOf, sshSecretOf } from "./form.ts";

/** Both hypervisors behind libvirt are reached in the same three ways. */
const libvirtForm: Pick<
  HostDriverForm<"kvm" | "xen">,
  "initial" | "connectionOf" | "secretOf" | "fieldsOf" | "needsIdentity"
> = {
  initial: { transport: "unix", socket: "/run/libvirt/libvirt-sock", user: "root", auth: "key" },
  connectionOf(values) {
    switch (values.transport) {
      case "ssh":
        return {
          transport: "ssh",
          host: values.host.trim(),
          ...portOf(values.port),
          user: values.user.trim(),
          socket: orNull(values.remoteSocket),
          hostKey: orNull(values.pin),
        };
      case "tls":
        return {
          transport: "tls",
          host: values.host.trim(),
          ...portOf(values.port),
          certificate: orNull(values.pin),
          caCertificate: orNull(values.caCertificate),
          clientCertificate: orNull(values.clientCertificate),
        };
      default:
        return { transport: "unix", socket: values.socket.trim() };
    }
  },
  secretOf(values) {
    if (values.transport === "ssh") return sshSecretOf(values);
    if (values.transport === "tls" && values.clientKey.trim() !== "") return { clientKey: pem(values.clientKey) };
    return null;
  },
  fieldsOf(connection, secrets) {
    const base = { transport: connection.transport, auth: secrets.includes("password") ? "password" : "key" };
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
  },
  // A local socket has no identity; a CA vouches for a TLS server.
  needsIdentity: (values) =>
    values.transport !== "unix" &&
    values.pin === "" &&
    (values.transport === "ssh" || values.caCertificate.trim() === ""),
};

export const kvmForm: HostDriverForm<"kvm"> = {
  ...libvirtForm,
  vendor: "kvm",
  label: "KVM",
  hint: "Through libvirt: its socket here, its socket over SSH, or TLS",
};

export const xenForm: HostDriverForm<"xen"> = {
  ...libvirtForm,
  vendor: "xen",
  label: "Xen (libxl)",
  hint: "A plain Xen host through libvirt: its socket here, its socket over SSH, or TLS",
};
