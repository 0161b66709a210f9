import { describe, expect, it } from "vitest";
import { HostConnection } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import { editedSecret, fittingSecret, peersOf } from "./host-peers.ts";

const KEY = `SHA256:${"A".repeat(43)}`;
const of = (driver: string, connection: object) => HostConnection.parse({ driver, connection });
const ssh = (more: object = {}) => of("kvm", { transport: "ssh", host: "kvm1", user: "root", ...more });
const tls = of("kvm", { transport: "tls", host: "kvm1" });
const unix = of("kvm", { transport: "unix", socket: "/run/x" });
const hyperv = (files: object = { by: "sftp", user: "ops" }, more: object = {}) =>
  of("hyperv", { transport: "http", host: "hv1", user: "ops", files, ...more });

it("two ways to the same machine are two addresses", () => {
  const addresses = [ssh(), tls, hyperv()].flatMap(peersOf).map(({ address }) => address);
  expect(new Set(addresses).size).toBe(4);
});

it("a host with an SSH server beside it is two peers, each with a pin and secrets of its own", () => {
  const target = hyperv();
  expect(peersOf(target).map(({ pin }) => pin)).toEqual([undefined, null]);
  const pinned = peersOf(target)[1]!.pinned(KEY);
  expect(pinned).toEqual(hyperv({ by: "sftp", user: "ops", hostKey: KEY }));
  expect(peersOf(hyperv({ by: "winrm" }))).toHaveLength(1);
});

it("stores only the secrets that the transport uses", () => {
  const all = { password: "p", privateKey: "k", passphrase: "", clientKey: "c", sshPassword: "s" };
  expect(fittingSecret(ssh(), all)).toEqual({ password: "p", privateKey: "k" });
  expect(fittingSecret(tls, all)).toEqual({ clientKey: "c" });
  expect(fittingSecret(unix, all)).toBeNull();
  expect(fittingSecret(ssh(), { clientKey: "c" })).toBeNull();
  expect(fittingSecret(hyperv(), all)).toEqual({ password: "p", sshPassword: "s", privateKey: "k" });
  expect(fittingSecret(hyperv({ by: "winrm" }), all)).toEqual({ password: "p" });
});

describe("editedSecret", () => {
  const edit = (old: HostConnection, stored: object | null, next: HostConnection, typed: object | null | undefined) => {
    try {
      return editedSecret("hv", { target: old, secret: stored }, next, typed);
    } catch (error) {
      return error instanceof AppError ? error.code : String(error);
    }
  };
  it("replaces what was typed and keeps the rest, for each peer alone", () => {
    const stored = { password: "p", privateKey: "k" };
    expect(edit(hyperv(), stored, hyperv(), undefined)).toEqual(stored);
    expect(edit(hyperv(), stored, hyperv(), { password: "q" })).toEqual({ password: "q", privateKey: "k" });
    expect(edit(hyperv(), stored, hyperv(), { sshPassword: "s" })).toEqual({ password: "p", sshPassword: "s" });
    expect(edit(hyperv(), stored, hyperv({ by: "winrm" }), undefined)).toEqual({ password: "p" });
    expect(edit(hyperv({ by: "winrm" }), { password: "p" }, hyperv(), { privateKey: "k" })).toEqual(stored);
    expect(edit(ssh(), { password: "p" }, ssh(), { privateKey: "k" })).toEqual({ privateKey: "k" });
    expect(edit(hyperv(), stored, hyperv(), null)).toBeNull();
  });
  it("sends nothing stored to another address", () => {
    const stored = { password: "p", privateKey: "k" };
    expect(edit(hyperv(), stored, hyperv({ by: "sftp", user: "ops", port: 23 }), undefined)).toBe("host.secret-needed");
    const elsewhere = hyperv(undefined, { host: "hv2" });
    expect(edit(hyperv(), stored, elsewhere, { password: "q" })).toBe("host.secret-needed");
    expect(edit(hyperv(), stored, elsewhere, { password: "q", privateKey: "l" })).toEqual({
      password: "q",
      privateKey: "l",
    });
  });
});
