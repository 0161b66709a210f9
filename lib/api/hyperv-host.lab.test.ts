/** A Hyper-V host with SFTP is added: two have to show who they are, one after the other, before a secret goes anywhere. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HypervWithSsh, startHypervWithSsh, whyNoHypervSsh } from "#e2e/lab/hyperv/sshd.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { Host, HostTest } from "#lib/domain/host.ts";
import { testPerson } from "#lib/services/testing.ts";
import { registerHostRoutes } from "./host.ts";
import { testApi, type TestApi } from "./testing.ts";

const reason = whyNoHypervSsh();

describe.skipIf(reason !== null)(`adding a Hyper-V host${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: HypervWithSsh;
  let services: TestServices;
  let api: TestApi;
  beforeAll(async () => {
    [lab, services] = await Promise.all([startHypervWithSsh(), testServices()]);
    api = testApi(services, { admin: await testPerson(services, "administrator") }, [registerHostRoutes]);
  });
  afterAll(async () => {
    await services.close();
    await lab[Symbol.asyncDispose]();
  });

  it("asks for the certificate, then for the host key, and keeps each secret when the other is changed", async () => {
    const asked = (certificate: string | null, hostKey: string | null, port = lab.sshd.port) => ({
      name: "hv1",
      target: {
        driver: "hyperv",
        connection: {
          transport: "https",
          host: "127.0.0.1",
          port: lab.host.httpsPort,
          user: lab.host.user,
          certificate,
          files: { by: "sftp", port, user: "root", hostKey },
        },
      },
      secret: { password: lab.host.password, privateKey: lab.sshd.clientKey },
    });
    const test = async (certificate: string | null, hostKey: string | null) =>
      HostTest.parse((await api.call("admin", "POST", "/hosts/test", asked(certificate, hostKey))).json);
    const { fingerprint } = lab.host;
    const { hostKey } = lab.sshd;
    const unconfirmed = { ok: false, error: { code: "host.identity-unconfirmed" } };
    expect(await test(null, null)).toMatchObject({
      ...unconfirmed,
      identity: { kind: "tls-certificate", fingerprint, pinned: false },
    });
    expect(await test(fingerprint, null)).toMatchObject({
      ...unconfirmed,
      identity: { kind: "ssh-host-key", fingerprint: hostKey, pinned: false },
    });
    expect((await api.call("admin", "POST", "/hosts", asked(fingerprint, null))).status).toBe(422);
    expect(lab.host.calls.size).toBe(0);
    expect(await test(fingerprint, hostKey)).toMatchObject({ ok: true, facts: { name: "HV-LAB" } });
    // The one that is not what was confirmed is shown.
    expect(await test(fingerprint, `SHA256:${"A".repeat(43)}`)).toMatchObject({
      error: { code: "host.key-changed" },
      identity: { kind: "ssh-host-key", fingerprint: hostKey, pinned: false },
    });

    const added = await api.call("admin", "POST", "/hosts", asked(fingerprint, hostKey));
    expect(added.status, JSON.stringify(added.json)).toBe(201);
    const { id, secrets } = Host.parse(added.json);
    expect(secrets).toEqual(["password", "privateKey"]);
    const edit = async (body: object) => api.call("admin", "PATCH", `/hosts/${id}`, body);
    const changed = Host.parse((await edit({ secret: { sshPassword: "other" } })).json);
    expect(changed.secrets).toEqual(["password", "sshPassword"]);
    expect(JSON.stringify((await edit({ target: asked(null, null).target })).json)).toContain(hostKey);
    const moved = await edit({ target: asked(null, null, lab.sshd.port + 1).target });
    expect(moved.json).toMatchObject({ error: { code: "host.secret-needed" } });
  });
});
