import { type HostDriverForm, orNull, pem, portOf } from "./form.ts";

export const hypervForm: HostDriverForm<"hyperv"> = {
  vendor: "hyperv",
  label: "Hyper-V",
  hint: "Windows Server 2016 and later, Windows 10 and 11, through WinRM",
  initial: { transport: "https", auth: "ntlm", user: "Administrator" },
  connectionOf(values) {
    const common = {
      host: values.host.trim(),
      ...portOf(values.port),
      user: values.auth === "certificate" && values.transport === "https" ? "" : values.user.trim(),
      callback: orNull(values.callback),
    };
    if (values.transport === "http") return { ...common, transport: "http" };
    return {
      ...common,
      transport: "https",
      auth: values.auth,
      certificate: orNull(values.pin),
      caCertificate: orNull(values.caCertificate),
      clientCertificate: values.auth === "certificate" ? orNull(values.clientCertificate) : null,
    };
  },
  secretOf(values) {
    if (values.transport === "https" && values.auth === "certificate") {
      return values.clientKey.trim() === "" ? null : { clientKey: pem(values.clientKey) };
    }
    return values.password === "" ? null : { password: values.password };
  },
  fieldsOf: (connection) => ({
    transport: connection.transport,
    host: connection.host,
    port: String(connection.port),
    user: connection.user,
    callback: connection.callback ?? "",
    ...(connection.transport === "http"
      ? {}
      : {
          auth: connection.auth,
          caCertificate: connection.caCertificate ?? "",
          clientCertificate: connection.clientCertificate ?? "",
          pin: connection.certificate ?? "",
        }),
  }),
  // On plain HTTP there is no identity to confirm; a CA vouches for an HTTPS listener.
  needsIdentity: (values) => values.transport === "https" && values.pin === "" && values.caCertificate.trim() === "",
};
