/** Hosts that an account signs in to over HTTPS: vSphere and the XenAPI. */
import { type FormDriver, type HostDriverForm, type HostFormFields, orNull, portOf } from "./form.ts";

interface HttpsAccount {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly certificate: string | null;
  readonly caCertificate: string | null;
}

function httpsAccountForm<D extends FormDriver>(
  own: Pick<HostDriverForm<D>, "vendor" | "label" | "hint" | "initial">,
): Omit<HostDriverForm<D>, "fieldsOf"> & { fieldsOf(connection: HttpsAccount): Partial<HostFormFields> } {
  return {
    ...own,
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
    // A CA, vCenter's own or the company's, vouches for the server and for every member of a pool.
    needsIdentity: (values) => values.pin === "" && values.caCertificate.trim() === "",
  };
}

export const vmwareForm: HostDriverForm<"vmware"> = httpsAccountForm({
  vendor: "vmware",
  label: "VMware",
  hint: "A vCenter with all its hosts, or one ESXi host, by the vSphere API",
  initial: { user: "administrator@vsphere.local" },
});

export const xapiForm: HostDriverForm<"xapi"> = httpsAccountForm({
  vendor: "xen",
  label: "XenServer, XCP-ng",
  hint: "A pool by the XenAPI over HTTPS; the address of any member will do",
  initial: { user: "root" },
});
