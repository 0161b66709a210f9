import { describe, expect, it } from "vitest";
import { HostConnection } from "#lib/domain/connection.ts";
import { keepPins, needsPin } from "./host-identity.ts";

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

describe("keepPins", () => {
  it("keeps what was confirmed for the same address", () => {
    expect(keepPins(ssh({ hostKey: KEY }), ssh({ user: "admin" }))).toEqual(ssh({ user: "admin", hostKey: KEY }));
    expect(keepPins(ssh({ hostKey: KEY }), ssh({ host: "KVM1" }))).toEqual(ssh({ host: "KVM1", hostKey: KEY }));
    expect(keepPins(tls({ certificate: CERT }), tls({}))).toEqual(tls({ certificate: CERT }));
  });

  it("drops it with the address, unless another one is given", () => {
    expect(keepPins(ssh({ hostKey: KEY }), ssh({ host: "kvm2" }))).toEqual(ssh({ host: "kvm2" }));
    expect(keepPins(ssh({ hostKey: KEY }), ssh({ port: 2222 }))).toEqual(ssh({ port: 2222 }));
    expect(keepPins(ssh({ hostKey: KEY }), tls({}))).toEqual(tls({}));
    const other = `SHA256:${"B".repeat(43)}`;
    expect(keepPins(ssh({ hostKey: KEY }), ssh({ host: "kvm2", hostKey: other }))).toEqual(
      ssh({ host: "kvm2", hostKey: other }),
    );
  });

  it("keeps each of two that was confirmed for its address", () => {
    const both = (change: object, key: string | null, certificate: string | null) =>
      HostConnection.parse({
        driver: "hyperv",
        connection: {
          transport: "https",
          host: "hv1",
          user: "ops",
          certificate,
          files: { by: "sftp", user: "ops", hostKey: key },
          ...change,
        },
      });
    expect(keepPins(both({}, KEY, CERT), both({}, null, null))).toEqual(both({}, KEY, CERT));
    expect(keepPins(both({}, KEY, CERT), both({ port: 5987 }, null, null))).toEqual(both({ port: 5987 }, KEY, null));
    expect(keepPins(both({}, KEY, CERT), both({ host: "hv2" }, null, null))).toEqual(both({ host: "hv2" }, null, null));
    expect(needsPin(both({}, null, CERT))).toBe(true);
    expect(needsPin(both({}, KEY, CERT))).toBe(false);
  });
});
