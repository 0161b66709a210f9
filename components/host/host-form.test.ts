import { describe, expect, it } from "vitest";
import { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import { NewHost } from "#lib/domain/host.ts";
import { emptyFields } from "./forms/registry.ts";
import {
  fromConnection,
  HostFormValues,
  needsIdentity,
  secretOf,
  toNewHost,
  type HostFormValues as Values,
} from "./host-form.ts";

const form = (change: Partial<Values>): Values => ({ ...emptyFields("kvm", "kvm-1"), ...change });
const wrong = (values: Values): string[] =>
  (HostFormValues.safeParse(values).error?.issues ?? []).map((issue) => String(issue.path[0])).sort();
const KEY = `SHA256:${"a".repeat(43)}`;

describe("toNewHost", () => {
  it("makes what the API takes for each transport", () => {
    expect(NewHost.parse(toNewHost(form({})))).toMatchObject({
      target: { connection: { transport: "unix", socket: "/run/libvirt/libvirt-sock" } },
      secret: null,
    });
    expect(
      NewHost.parse(toNewHost(form({ transport: "ssh", host: "10.0.0.5", auth: "password", password: " x " }))),
    ).toMatchObject({
      target: {
        connection: { transport: "ssh", host: "10.0.0.5", port: 22, user: "root", socket: null, hostKey: null },
      },
      secret: { password: " x " },
    });
    expect(
      NewHost.parse(
        toNewHost(form({ transport: "tls", host: "kvm.example", port: "16515", caCertificate: "CA", clientKey: "K" })),
      ),
    ).toMatchObject({
      target: { connection: { transport: "tls", port: 16515, caCertificate: "CA", certificate: null } },
      secret: { clientKey: "K\n" },
    });
  });

  it("makes what the API takes for a vCenter", () => {
    const values: Values = { ...emptyFields("vmware", "vc"), host: " vc.example ", password: "p & q" };
    expect(needsIdentity(values)).toBe(true);
    expect(needsIdentity({ ...values, caCertificate: "PEM" })).toBe(false);
    const host = NewHost.parse(toNewHost({ ...values, pin: "b".repeat(64) }));
    expect(host.target).toMatchObject({
      driver: "vmware",
      connection: { host: "vc.example", port: 443, user: "administrator@vsphere.local", certificate: "b".repeat(64) },
    });
    expect(host.secret).toEqual({ password: "p & q" });
    if (host.target.driver === "demo") throw new Error("a real host came out as a simulated one");
    expect(toNewHost(fromConnection("vc", host.target, ["password"]))).toEqual({ ...host, secret: null });
    expect(wrong({ ...values, host: "", user: "" })).toEqual(["host", "user"]);
  });

  it("makes what the API takes for VirtualBox, here and over SSH", () => {
    const here: Values = { ...emptyFields("virtualbox", "vb"), transport: "local", privateKey: "not sent" };
    expect(needsIdentity(here)).toBe(false);
    expect(NewHost.parse(toNewHost(here))).toEqual({
      name: "vb",
      target: { driver: "virtualbox", connection: { transport: "local" } },
      secret: null,
    });
    const there: Values = {
      ...emptyFields("virtualbox", "vb"),
      host: "mac.example",
      user: "ann",
      privateKey: "K",
      pin: KEY,
    };
    const host = NewHost.parse(toNewHost(there));
    expect(host.target.connection).toEqual({
      transport: "ssh",
      host: "mac.example",
      port: 22,
      user: "ann",
      hostKey: KEY,
    });
    if (host.target.driver === "demo") throw new Error("a real host came out as a simulated one");
    expect(toNewHost(fromConnection("vb", host.target, ["privateKey"]))).toEqual({ ...host, secret: null });
    expect(needsIdentity({ ...there, pin: "" })).toBe(true);
  });

  it("makes what the API takes for a XenServer pool", () => {
    const values: Values = { ...emptyFields("xapi", "pool"), host: "xen1.example", password: "p" };
    expect(needsIdentity(values)).toBe(true);
    expect(NewHost.parse(toNewHost({ ...values, pin: "a".repeat(64) }))).toEqual({
      name: "pool",
      target: {
        driver: "xapi",
        connection: {
          transport: "https",
          host: "xen1.example",
          port: 443,
          user: "root",
          certificate: "a".repeat(64),
          caCertificate: null,
        },
      },
      secret: { password: "p" },
    });
  });

  it("makes what the API takes for a Hyper-V host", () => {
    const values: Values = { ...emptyFields("hyperv", "hv"), host: "hv1.example", password: "p" };
    expect(needsIdentity(values)).toBe(true);
    const https = {
      transport: "https",
      host: "hv1.example",
      port: 5986,
      auth: "ntlm",
      user: "Administrator",
      certificate: "b".repeat(64),
      caCertificate: null,
      clientCertificate: null,
      callback: null,
      files: { by: "winrm" },
    };
    expect(NewHost.parse(toNewHost({ ...values, pin: "b".repeat(64) }))).toEqual({
      name: "hv",
      target: { driver: "hyperv", connection: https },
      secret: { password: "p" },
    });
    // Nobody shows who he is over HTTP: there is nothing to confirm.
    const http: Values = { ...values, transport: "http", user: "LAB\\ops", callback: " console.example " };
    expect(needsIdentity(http)).toBe(false);
    expect(NewHost.parse(toNewHost(http)).target.connection).toEqual({
      transport: "http",
      host: "hv1.example",
      port: 5985,
      auth: "ntlm",
      user: "LAB\\ops",
      callback: "console.example",
      files: { by: "winrm" },
    });
    // Kerberos seals as well, and knows accounts and hosts by their full names only.
    const kerberos: Values = { ...http, auth: "kerberos", user: "ops@lab.example" };
    expect(NewHost.parse(toNewHost(kerberos)).target.connection).toMatchObject({ transport: "http", auth: "kerberos" });
    expect(wrong({ ...kerberos, user: "LAB\\ops" })).toEqual(["user"]);
    expect(wrong({ ...kerberos, host: "10.0.0.5" })).toEqual(["host"]);
    // Nothing else goes over plain HTTP.
    expect(NewHost.parse(toNewHost({ ...http, auth: "basic" })).target.connection).toMatchObject({ auth: "ntlm" });
    // A client certificate goes with its key, and with no account or password.
    const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    const mapped: Values = { ...values, auth: "certificate", clientCertificate: CERTIFICATE, clientKey: "KEY" };
    expect(toNewHost({ ...mapped, pin: "b".repeat(64) })).toMatchObject({
      target: { connection: { auth: "certificate", user: "", clientCertificate: CERTIFICATE.trim() } },
      secret: { clientKey: "KEY\n" },
    });
    expect(wrong({ ...values, pin: "short" })).toEqual(["pin"]);
    expect(wrong({ ...values, user: "a;b" })).toEqual(["user"]);
    const stored = { driver: "hyperv", connection: HypervConnection.parse(https) } as const;
    const back = fromConnection("hv", stored, ["password"]);
    expect(back).toMatchObject({ host: "hv1.example", port: "5986", auth: "ntlm", pin: "b".repeat(64), password: "" });
  });

  it("makes what the API takes for a Hyper-V host whose disks go by SFTP", () => {
    const values: Values = {
      ...emptyFields("hyperv", "hv"),
      host: "hv1.example",
      password: "p",
      callback: "not used",
      files: "sftp",
      sftpUser: "LAB\\disks",
      sftpAuth: "key",
      privateKey: "K",
      sshPassword: "not sent",
      pin: "b".repeat(64),
    };
    // Two who have to show who they are.
    expect(needsIdentity(values)).toBe(true);
    expect(needsIdentity({ ...values, sftpPin: KEY })).toBe(false);
    const host = NewHost.parse(toNewHost({ ...values, sftpPin: KEY }));
    expect(host.target.connection).toMatchObject({
      certificate: "b".repeat(64),
      callback: null,
      files: { by: "sftp", port: 22, user: "LAB\\disks", hostKey: KEY },
    });
    expect(host.secret).toEqual({ password: "p", privateKey: "K\n" });
    if (host.target.driver === "demo") throw new Error("a real host came out as a simulated one");
    expect(toNewHost(fromConnection("hv", host.target, ["password", "privateKey"]))).toEqual({ ...host, secret: null });
    expect(wrong({ ...values, sftpPort: "0", sftpUser: "" })).toEqual(["sftpPort", "sftpUser"]);
  });

  it("sends only the secret of the way that is chosen", () => {
    expect(
      secretOf(form({ transport: "ssh", auth: "key", password: "old", privateKey: "KEY", passphrase: "p" })),
    ).toEqual({ privateKey: "KEY\n", passphrase: "p" });
    expect(secretOf(form({ transport: "unix", password: "old", privateKey: "KEY" }))).toBeNull();
  });
});

describe("what is wrong is said at its field", () => {
  it.each([
    [form({}), []],
    [form({ name: " " }), ["name"]],
    [form({ socket: "relative" }), ["socket"]],
    [form({ transport: "ssh", host: "-oProxyCommand=x", port: "0", user: "" }), ["host", "port", "user"]],
    [form({ transport: "ssh", host: "h", remoteSocket: "x" }), ["remoteSocket"]],
    [form({ transport: "ssh", host: "h", pin: "SHA256:short" }), ["pin"]],
    [form({ transport: "tls", host: "h", port: "70000" }), ["port"]],
  ])("%#", (values, fields) => expect(wrong(values)).toEqual(fields));
});

it("comes back from a stored connection without secrets", () => {
  const connection = { transport: "ssh", host: "h", port: 2222, user: "ops", socket: null, hostKey: KEY } as const;
  const values = fromConnection("kvm-1", { driver: "kvm", connection }, ["password"]);
  expect(values).toMatchObject({ host: "h", port: "2222", user: "ops", auth: "password", password: "", pin: KEY });
  expect(NewHost.parse(toNewHost(values)).target).toEqual({ driver: "kvm", connection });
});

it("asks for a person's word only where nothing else vouches", () => {
  expect(needsIdentity(form({}))).toBe(false);
  expect(needsIdentity(form({ transport: "ssh" }))).toBe(true);
  expect(needsIdentity(form({ transport: "ssh", pin: KEY }))).toBe(false);
  expect(needsIdentity(form({ transport: "tls" }))).toBe(true);
  expect(needsIdentity(form({ transport: "tls", caCertificate: "CA" }))).toBe(false);
});
