import { describe, expect, it } from "vitest";
import { HostConnection } from "#lib/domain/connection.ts";
import { addressOf, fittingSecret, keepPin, needsPin } from "./host-identity.ts";

const KEY = `SHA256:${"A".repeat(43)}`;
const CERT = "a".repeat(64);
const ssh = (more: object) =>
  HostConnection.parse({ driver: "kvm", connection: { transport: "ssh", host: "kvm1", user: "root", ...more } });
const tls = (more: object) =>
  HostConnection.parse({ driver: "kvm", connection: { transport: "tls", host: "kvm1", ...more } });
const unix = HostConnection.parse({ driver: "kvm", connection: { transport: "unix", socket: "/run/x" } });

describe("needsPin", () => {
  it("wants an identity where anybody could answer", () => {
    expect(needsPin(ssh({}))).toBe(true);
    expect(needsPin(tls({}))).toBe(true);
    expect(needsPin(ssh({ hostKey: KEY }))).toBe(false);
    expect(needsPin(tls({ certificate: CERT }))).toBe(false);
    expect(needsPin(tls({ caCertificate: "PEM" }))).toBe(false);
    expect(needsPin(unix)).toBe(false);
  });
});

describe("keepPin", () => {
  it("keeps what was confirmed for the same address", () => {
    expect(keepPin(ssh({ hostKey: KEY }), ssh({ user: "admin" }))).toEqual(ssh({ user: "admin", hostKey: KEY }));
    expect(keepPin(ssh({ hostKey: KEY }), ssh({ host: "KVM1" }))).toEqual(ssh({ host: "KVM1", hostKey: KEY }));
    expect(keepPin(tls({ certificate: CERT }), tls({}))).toEqual(tls({ certificate: CERT }));
  });

  it("drops it with the address, unless another one is given", () => {
    expect(keepPin(ssh({ hostKey: KEY }), ssh({ host: "kvm2" }))).toEqual(ssh({ host: "kvm2" }));
    expect(keepPin(ssh({ hostKey: KEY }), ssh({ port: 2222 }))).toEqual(ssh({ port: 2222 }));
    expect(keepPin(ssh({ hostKey: KEY }), tls({}))).toEqual(tls({}));
    const other = `SHA256:${"B".repeat(43)}`;
    expect(keepPin(ssh({ hostKey: KEY }), ssh({ host: "kvm2", hostKey: other }))).toEqual(
      ssh({ host: "kvm2", hostKey: other }),
    );
  });
});

it("two ways to the same machine are two addresses", () => {
  expect(addressOf(ssh({}))).not.toBe(addressOf(tls({})));
});

it("stores only the secrets that the transport uses", () => {
  const all = { password: "p", privateKey: "k", passphrase: "", clientKey: "c" };
  expect(fittingSecret(ssh({}), all)).toEqual({ password: "p", privateKey: "k" });
  expect(fittingSecret(tls({}), all)).toEqual({ clientKey: "c" });
  expect(fittingSecret(unix, all)).toBeNull();
  expect(fittingSecret(ssh({}), { clientKey: "c" })).toBeNull();
});
