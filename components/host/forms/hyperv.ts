import type { HostSecret } from "#lib/domain/connection.ts";
import { type HostDriverForm, type HostFormFields, orNull, pem, portOf } from "./form.ts";

const byCertificate = ({ transport, auth }: HostFormFields): boolean => transport === "https" && auth === "certificate";

function accountSecretOf(values: HostFormFields): HostSecret {
  if (byCertificate(values)) return values.clientKey.trim() === "" ? {} : { clientKey: pem(values.clientKey) };
  return values.password === "" ? {} : { password: values.password };
}

function filesSecretOf(values: HostFormFields): HostSecret {
  if (values.files !== "sftp") return {};
  if (values.sftpAuth === "password") return values.sshPassword === "" ? {} : { sshPassword: values.sshPassword };
  if (values.privateKey.trim() === "") return {};
  return {
    privateKey: pem(values.privateKey),
    ...(values.passphrase === "" ? {} : { passphrase: values.passphrase }),
  };
}

export const hypervForm: HostDriverForm<"hyperv"> = {
  vendor: "hyperv",
  label: "Hyper-V",
  hint: "Windows Server 2016 and later, Windows 10 and 11, through WinRM",
  initial: { transport: "https", auth: "ntlm", user: "Administrator", files: "winrm", sftpUser: "Administrator" },
  connectionOf(values) {
    const common = {
      host: values.host.trim(),
      ...portOf(values.port),
      user: byCertificate(values) ? "" : values.user.trim(),
      callback: values.files === "sftp" ? null : orNull(values.callback),
      files:
        values.files === "sftp"
          ? {
              by: "sftp",
              ...portOf(values.sftpPort),
              user: values.sftpUser.trim(),
              hostKey: orNull(values.sftpPin),
            }
          : { by: "winrm" },
    };
    if (values.transport === "http")
      return { ...common, transport: "http", auth: values.auth === "kerberos" ? "kerberos" : "ntlm" };
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
    const secret = { ...accountSecretOf(values), ...filesSecretOf(values) };
    return Object.keys(secret).length === 0 ? null : secret;
  },
  fieldsOf: (connection, secrets) => ({
    transport: connection.transport,
    host: connection.host,
    port: String(connection.port),
    user: connection.user,
    callback: connection.callback ?? "",
    files: connection.files.by,
    sftpAuth: secrets.includes("privateKey") ? "key" : "password",
    ...(connection.files.by === "sftp"
      ? {
          sftpPort: String(connection.files.port),
          sftpUser: connection.files.user,
          sftpPin: connection.files.hostKey ?? "",
        }
      : {}),
    auth: connection.auth,
    ...(connection.transport === "http"
      ? {}
      : {
          caCertificate: connection.caCertificate ?? "",
          clientCertificate: connection.clientCertificate ?? "",
          pin: connection.certificate ?? "",
        }),
  }),
  // On plain HTTP there is no identity to confirm; a CA vouches for an HTTPS listener.
  needsIdentity: (values) =>
    (values.transport === "https" && values.pin === "" && values.caCertificate.trim() === "") ||
    (values.files === "sftp" && values.sftpPin === ""),
  besideBySsh: {
    pin: "sftpPin",
    port: "sftpPort",
    command: "Get-ChildItem $env:ProgramData\\ssh\\ssh_host_*_key.pub | ForEach-Object { ssh-keygen -lf $_.FullName }",
  },
};
