import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLibvirtd, whyNoLibvirtd, type Libvirtd } from "#e2e/lab/libvirt/libvirtd.ts";
import { startSshd, whyNoSshd, type Sshd } from "#e2e/lab/libvirt/sshd.ts";
import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import { kvmDriver } from "./driver.ts";

const reason = whyNoLibvirtd() ?? whyNoSshd();

async function codeOf(work: Promise<unknown>): Promise<{ code: string; fingerprint: unknown; text: string }> {
  return work.then(
    () => ({ code: "no error", fingerprint: null, text: "" }),
    (error: unknown) =>
      error instanceof AppError
        ? {
            code: error.code,
            fingerprint: error.details?.["fingerprint"] ?? null,
            text: JSON.stringify([error.message, error.hint, error.details]),
          }
        : { code: `not an AppError: ${String(error)}`, fingerprint: null, text: "" },
  );
}

describe.skipIf(reason !== null)(`ways to a real libvirtd${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: Libvirtd;
  let sshd: Sshd;
  const tlsPort = 41_000 + Math.floor(Math.random() * 5000);

  beforeAll(async () => {
    lab = startLibvirtd({ tlsPort });
    sshd = await startSshd();
  });
  afterAll(() => {
    sshd.stop();
    lab.stop();
  });

  const ssh = (more: Partial<Extract<LibvirtConnection, { transport: "ssh" }>> = {}): LibvirtConnection => ({
    transport: "ssh",
    host: "127.0.0.1",
    port: sshd.port,
    user: "root",
    socket: lab.socket,
    hostKey: sshd.hostKey,
    ...more,
  });
  const pem = (name: string) => readFileSync(join(lab.folder, "tls", name), "utf8");
  const tls = (more: Partial<Extract<LibvirtConnection, { transport: "tls" }>> = {}): LibvirtConnection => ({
    transport: "tls",
    host: "127.0.0.1",
    port: tlsPort,
    certificate: null,
    caCertificate: pem("ca-cert.pem"),
    clientCertificate: pem("client-cert.pem"),
    ...more,
  });

  async function works(connection: LibvirtConnection, secret: HostSecret | null): Promise<void> {
    await using adapter = await kvmDriver.open(connection, secret);
    const kinds: string[] = [];
    for await (const item of adapter.inventory()) kinds.push(item.kind);
    expect(kinds).toContain("pool");
  }

  it("goes through SSH with a key and the host key that ssh-keygen names", async () => {
    expect(await kvmDriver.identify(ssh({ hostKey: null }))).toEqual({
      kind: "ssh-host-key",
      fingerprint: sshd.hostKey,
    });
    await works(ssh(), { privateKey: sshd.clientKey });
  });

  it("sends nothing to a host whose key nobody confirmed, or that shows another one", async () => {
    const unconfirmed = await codeOf(kvmDriver.open(ssh({ hostKey: null }), { password: "hunter2hunter2" }));
    expect(unconfirmed).toMatchObject({ code: "host.identity-unconfirmed", fingerprint: sshd.hostKey });
    const other = `SHA256:${"A".repeat(43)}`;
    const changed = await codeOf(kvmDriver.open(ssh({ hostKey: other }), { password: "hunter2hunter2" }));
    expect(changed).toMatchObject({ code: "host.key-changed", fingerprint: sshd.hostKey });
    expect(unconfirmed.text + changed.text).not.toContain("hunter2");
  });

  it("tells a wrong password or key, a broken key, and a socket that is not there", async () => {
    expect((await codeOf(kvmDriver.open(ssh(), { password: "wrong" }))).code).toBe("host.auth-failed");
    const folder = lab.folder;
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "other")]);
    expect(
      (await codeOf(kvmDriver.open(ssh(), { privateKey: readFileSync(join(folder, "other"), "utf8") }))).code,
    ).toBe("host.auth-failed");
    expect((await codeOf(kvmDriver.open(ssh(), { privateKey: "not a key" }))).code).toBe("host.bad-key");
    expect((await codeOf(kvmDriver.open(ssh({ socket: "/nowhere/sock" }), { privateKey: sshd.clientKey }))).code).toBe(
      "host.unreachable",
    );
  });

  it("goes through TLS by the CA or by the pinned certificate", async () => {
    await works(tls(), { clientKey: pem("client-key.pem") });
    const shown = await kvmDriver.identify(tls());
    const fingerprint = execFileSync(
      "openssl",
      ["x509", "-noout", "-fingerprint", "-sha256", "-in", join(lab.folder, "tls", "server-cert.pem")],
      { encoding: "utf8" },
    )
      .split("=")[1]!
      .trim()
      .replaceAll(":", "")
      .toLowerCase();
    expect(shown).toEqual({ kind: "tls-certificate", fingerprint });
    await works(tls({ caCertificate: null, certificate: fingerprint }), { clientKey: pem("client-key.pem") });
  });

  it("refuses a certificate that nobody confirmed, another one, and a client that the host does not know", async () => {
    expect(
      (await codeOf(kvmDriver.open(tls({ caCertificate: null }), { clientKey: pem("client-key.pem") }))).code,
    ).toBe("host.identity-unconfirmed");
    expect(
      (await codeOf(kvmDriver.open(tls({ certificate: "0".repeat(64) }), { clientKey: pem("client-key.pem") }))).code,
    ).toBe("host.key-changed");
    expect((await codeOf(kvmDriver.open(tls({ clientCertificate: null }), null))).code).toBe("host.auth-failed");
  });

  it("tells a host that cannot be reached", async () => {
    expect((await codeOf(kvmDriver.open({ transport: "unix", socket: join(lab.folder, "none") }, null))).code).toBe(
      "host.unreachable",
    );
    expect((await codeOf(kvmDriver.open(ssh({ port: 1 }), { password: "x" }))).code).toBe("host.unreachable");
    expect((await codeOf(kvmDriver.open(tls({ port: 1 }), null))).code).toBe("host.unreachable");
  });

  describe("with somebody in between", () => {
    let proxy: Server;
    const sockets = new Set<Socket>();
    beforeAll(async () => {
      proxy = createServer((from) => {
        const to = createConnection({ path: lab.socket });
        for (const socket of [from, to]) {
          sockets.add(socket);
          socket.on("error", () => undefined);
        }
        from.pipe(to).pipe(from);
      });
      await new Promise<void>((resolve) => proxy.listen(join(lab.folder, "proxy.sock"), resolve));
    });
    afterAll(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });

    it("a host that dies in the middle of an upload ends it with an error, and what was made can be removed", async () => {
      const adapter = await kvmDriver.open({ transport: "unix", socket: join(lab.folder, "proxy.sock") }, null);
      const spec = {
        poolRef: lab.poolName,
        name: "cut-upload",
        format: "raw" as const,
        virtualSize: 512 * 1024 * 1024,
        fileLength: 512 * 1024 * 1024,
        placement: {},
      };
      const created = await adapter.createDisk(spec);
      if (!("sink" in created)) throw new Error("this host is sent its disks");
      const { resource, sink } = created;
      const block = Buffer.alloc(1024 * 1024, 7);
      const writing = (async () => {
        for (let i = 0; i < 512; i += 1) {
          await sink.write(i * block.length, block);
          if (i === 16) for (const socket of sockets) socket.destroy();
        }
        await sink.commit(spec.fileLength);
      })();
      expect((await codeOf(writing)).code).toBe("host.unreachable");
      await sink[Symbol.asyncDispose]();
      await adapter[Symbol.asyncDispose]();
      await using other = await kvmDriver.open({ transport: "unix", socket: lab.socket }, null);
      await other.remove(resource);
      expect(await other.planDisk(spec)).toEqual(resource);
    });
  });
});
