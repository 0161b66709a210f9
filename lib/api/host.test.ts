import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditEntries, hosts, imageVersions, images, requests, requestTargets } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { Discovered, Host, HostDetail, HostTest } from "#lib/domain/host.ts";
import { startInventorySync, type InventorySync } from "#lib/inventory/sync.ts";
import { NO_HINTS } from "#lib/library/create-version.ts";
import type { Ctx } from "#lib/services/context.ts";
import { discoverHosts } from "#lib/services/host/discover-hosts.ts";
import { testPerson } from "#lib/services/testing.ts";
import { registerHostRoutes } from "./host.ts";
import { testApi, type TestApi } from "./testing.ts";
import { registerVmRoutes } from "./vm.ts";

let services: TestServices;
let sync: InventorySync;
let api: TestApi;
let admin: Ctx;
const patient = { timeout: 20_000, interval: 50 };
const PASSWORD = "correct-horse-battery";

/** An SSH server that lets nobody in and remembers what it was shown. */
async function peer(): Promise<{ port: number; offers: string[]; close(): void; rekey(): void }> {
  const offers: string[] = [];
  // Not ssh2's own generator: one Ed25519 key of some three hundred that it makes cannot be read, also not by itself.
  const key = () =>
    generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "sec1", format: "pem" });
  const make = (privateKey: string | Buffer) =>
    new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => {
        if (context.method !== "none") offers.push(context.method === "password" ? context.password : context.method);
        context.reject(["password", "publickey"]);
      });
    });
  let server = make(key());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = (server.address() as AddressInfo).port;
  return {
    port,
    offers,
    close: () => server.close(),
    rekey() {
      server.close();
      server = make(key());
      server.listen(port, "127.0.0.1");
    },
  };
}

const overSsh = (port: number, hostKey: string | null) => ({
  driver: "kvm",
  connection: { transport: "ssh", host: "127.0.0.1", port, user: "root", hostKey },
});
const errorOf = (json: unknown) => (json as { error: { code: string; details?: Record<string, unknown> } }).error;

beforeAll(async () => {
  services = await testServices();
  admin = await testPerson(services, "administrator");
  const people = {
    admin,
    operator: await testPerson(services, "operator"),
    auditor: await testPerson(services, "auditor"),
  };
  api = testApi(services, people, [registerHostRoutes, registerVmRoutes]);
  sync = await startInventorySync(services);
});
afterAll(async () => {
  await sync.close();
  await services.close();
});

describe("a host over SSH", () => {
  it("is tested, confirmed, added, edited and shown without its secret ever leaving", async () => {
    const server = await peer();
    const asked = { name: "kvm1", target: overSsh(server.port, null), secret: { password: PASSWORD } };
    const test = HostTest.parse((await api.call("admin", "POST", "/hosts/test", asked)).json);
    expect(test).toMatchObject({
      ok: false,
      identity: { kind: "ssh-host-key", pinned: false },
      error: { code: "host.identity-unconfirmed" },
    });
    const unpinned = await api.call("admin", "POST", "/hosts", asked);
    expect(unpinned.status).toBe(422);
    expect(errorOf(unpinned.json)).toMatchObject({
      code: "host.identity-unconfirmed",
      details: { fingerprint: test.identity?.fingerprint },
    });
    expect(await services.db.select().from(hosts)).toEqual([]);
    // Until here nobody had confirmed who answers, so nothing was offered.
    expect(server.offers).toEqual([]);

    const pinned = { ...asked, target: overSsh(server.port, test.identity?.fingerprint ?? null) };
    const wrong = HostTest.parse((await api.call("admin", "POST", "/hosts/test", pinned)).json);
    expect(wrong).toMatchObject({ ok: false, error: { code: "host.auth-failed" } });
    expect(server.offers).toContain(PASSWORD);
    const added = await api.call("admin", "POST", "/hosts", pinned);
    expect(added.status, JSON.stringify(added.json)).toBe(201);
    const host = Host.parse(added.json);
    expect(host.secrets).toEqual(["password"]);
    await expect
      .poll(
        async () => HostDetail.parse((await api.call("auditor", "GET", `/hosts/${host.id}`)).json).error?.code,
        patient,
      )
      .toBe("host.auth-failed");
    expect((await api.call("admin", "POST", "/hosts", pinned)).status).toBe(409);

    // Another machine answers: it is offered nothing, and the page can show what it shows.
    server.rekey();
    const before = server.offers.length;
    expect((await api.call("admin", "POST", `/hosts/${host.id}/refresh`)).status).toBe(204);
    await expect
      .poll(
        async () => HostDetail.parse((await api.call("auditor", "GET", `/hosts/${host.id}`)).json).error?.code,
        patient,
      )
      .toBe("host.key-changed");
    const changed = HostTest.parse((await api.call("admin", "POST", "/hosts/test", { hostId: host.id })).json);
    expect(changed).toMatchObject({ ok: false, error: { code: "host.key-changed" }, identity: { pinned: false } });
    expect(changed.identity?.fingerprint).not.toBe(test.identity?.fingerprint);
    expect(server.offers.slice(before)).toEqual([]);

    // A new address: neither the pin nor the password goes along.
    const elsewhere = await peer();
    const moved = await api.call("admin", "PATCH", `/hosts/${host.id}`, { target: overSsh(elsewhere.port, null) });
    expect(errorOf(moved.json).code).toBe("host.secret-needed");
    const unconfirmed = await api.call("admin", "PATCH", `/hosts/${host.id}`, {
      target: overSsh(elsewhere.port, null),
      secret: { password: PASSWORD },
    });
    expect(errorOf(unconfirmed.json).code).toBe("host.identity-unconfirmed");
    expect(elsewhere.offers).toEqual([]);
    const renamed = await api.call("admin", "PATCH", `/hosts/${host.id}`, { name: "kvm-one" });
    expect(Host.parse(renamed.json)).toMatchObject({
      name: "kvm-one",
      secrets: ["password"],
      connection: pinned.target,
    });
    expect(Host.parse((await api.call("admin", "PATCH", `/hosts/${host.id}`, { secret: null })).json).secrets).toEqual(
      [],
    );

    expect((await api.call("admin", "DELETE", `/hosts/${host.id}`)).status).toBe(204);
    expect((await api.call("admin", "GET", `/hosts/${host.id}`)).status).toBe(404);
    const trail = await services.db.select().from(auditEntries).where(eq(auditEntries.subjectId, host.id));
    expect(trail.map((entry) => entry.action)).toEqual([
      "host.added",
      "host.refreshed",
      "host.tested",
      "host.edited",
      "host.edited",
      "host.removed",
    ]);
    for (const text of [...api.said, JSON.stringify(trail)]) expect(text).not.toContain(PASSWORD);
    server.close();
    elsewhere.close();
  });
});

describe("hosts", () => {
  it("are the five simulated ones, however often they are asked for", async () => {
    const first = (await api.call("admin", "POST", "/hosts/demo", {})).json as { items: unknown[] };
    expect(first.items).toHaveLength(5);
    await api.call("admin", "POST", "/hosts/demo", {});
    const all = ((await api.call("auditor", "GET", "/hosts")).json as { items: unknown[] }).items.map((item) =>
      Host.parse(item),
    );
    expect(all.map(({ name }) => name)).toEqual([
      "demo-hyperv",
      "demo-kvm",
      "demo-virtualbox",
      "demo-vmware",
      "demo-xen",
    ]);
    const id = all[1]?.id ?? "";
    await expect
      .poll(async () => HostDetail.parse((await api.call("auditor", "GET", `/hosts/${id}`)).json).counts.vms, patient)
      .toBeGreaterThan(0);
    const pools = (await api.call("auditor", "GET", `/pools?host=${id}`)).json as { items: { hostName: string }[] };
    expect(pools.items.every(({ hostName }) => hostName === "demo-kvm")).toBe(true);
    expect(pools.items.length).toBeGreaterThan(0);
    const vms = (await api.call("auditor", "GET", `/vms?host=${id}&sort=memory&order=desc`)).json as {
      total: number;
      items: { ref: string; hostId: string }[];
    };
    expect(vms.total).toBe(vms.items.length);
    const one = await api.call("auditor", "GET", `/vms/${id}/${encodeURIComponent(vms.items[0]?.ref ?? "")}`);
    expect(one.json).toMatchObject({ ref: vms.items[0]?.ref, hostName: "demo-kvm", simulated: true });
  });

  it("stay while a request runs on them, and their name is free once they are gone", async () => {
    const [host] = await services.db.select().from(hosts).where(eq(hosts.name, "demo-vmware"));
    const hostId = host?.id ?? "";
    const person = admin.actor.id ?? "";
    const [image] = await services.db.insert(images).values({ name: "i", createdByName: "x" }).returning();
    const [version] = await services.db
      .insert(imageVersions)
      .values({
        imageId: image?.id ?? "",
        number: 1,
        state: "ready",
        source: { kind: "upload", fileName: "x" },
        hints: NO_HINTS,
        folder: "x",
        createdByName: "x",
      })
      .returning();
    const imageVersionId = version?.id ?? "";
    const choice = {
      hostId,
      name: "v",
      cpus: 1,
      memory: 2 ** 30,
      firmware: "bios" as const,
      secureBoot: false,
      placement: {},
      diskFormat: "vmdk" as const,
      bus: "sata" as const,
      poolRef: "p",
      nic: null,
      start: false,
    };
    const plan = {
      version: 1 as const,
      imageId: image?.id ?? "",
      imageVersionId,
      imageName: "i",
      fingerprints: [],
      targets: [],
    };
    const [request] = await services.db
      .insert(requests)
      .values({
        status: "running",
        imageVersionId,
        requesterId: person,
        idempotencyKey: person,
        plan,
        planHash: "0".repeat(64),
      })
      .returning();
    await services.db.insert(requestTargets).values({
      requestId: request?.id ?? "",
      position: 0,
      hostId,
      choice,
      findings: [],
      estimate: { bytesToMove: 0, fileLength: null, seconds: 0, error: 0, basis: "" },
      status: "running",
    });
    const refused = await api.call("admin", "DELETE", `/hosts/${hostId}`);
    expect(refused.status).toBe(409);
    expect(errorOf(refused.json).code).toBe("host.in-use");
    await services.db
      .update(requests)
      .set({ status: "succeeded" })
      .where(eq(requests.id, request?.id ?? ""));
    expect((await api.call("admin", "DELETE", `/hosts/${hostId}`)).status).toBe(204);
    const names = ((await api.call("auditor", "GET", "/hosts")).json as { items: { name: string }[] }).items.map(
      ({ name }) => name,
    );
    expect(names).not.toContain("demo-vmware");
    await api.call("admin", "POST", "/hosts/demo", {});
    expect(await services.db.select().from(hosts).where(eq(hosts.name, "demo-vmware"))).toHaveLength(2);
    expect(
      ((await api.call("auditor", "GET", "/vms?vendor=vmware")).json as { items: { hostId: string }[] }).items.every(
        (vm) => vm.hostId !== hostId,
      ),
    ).toBe(true);
  });

  it("are changed by administrators only, and an auditor powers nothing", async () => {
    const [host] = await services.db.select().from(hosts).where(eq(hosts.name, "demo-kvm"));
    const id = host?.id ?? "";
    const vm = ((await api.call("auditor", "GET", `/vms?host=${id}`)).json as { items: { ref: string }[] }).items[0];
    const tries = [
      ["POST", "/hosts", { name: "n", target: { driver: "demo", connection: { transport: "demo", vendor: "kvm" } } }],
      ["POST", "/hosts/demo", {}],
      ["PATCH", `/hosts/${id}`, { name: "x" }],
      ["DELETE", `/hosts/${id}`, undefined],
    ] as const;
    for (const who of ["operator", "auditor"]) {
      for (const [method, path, body] of tries)
        expect((await api.call(who, method, path, body)).status, `${who} ${method} ${path}`).toBe(403);
    }
    for (const [method, path, body] of [
      ["POST", "/hosts/test", { hostId: id }],
      ["POST", `/hosts/${id}/refresh`, {}],
      ["POST", `/vms/${id}/${vm?.ref}/power`, { action: "start" }],
    ] as const) {
      expect((await api.call("auditor", method, path, body)).status, path).toBe(403);
    }
    const refused = (await services.db.select().from(auditEntries).where(eq(auditEntries.result, "refused"))).map(
      (entry) => entry.action,
    );
    expect(refused).toEqual(
      expect.arrayContaining([
        "host.added",
        "host.edited",
        "host.removed",
        "host.tested",
        "host.refreshed",
        "vm.started",
      ]),
    );
    expect((await api.call("nobody", "GET", "/hosts")).status).toBe(401);
  });

  it("on this machine are found by their sockets, usable when somebody answers", async () => {
    const live = join(services.dataDir, "live.sock");
    const dead = join(services.dataDir, "dead.sock");
    const server = createServer().listen(live);
    await once(server, "listening");
    await writeFile(dead, "");
    const found = await discoverHosts(
      admin,
      [live, dead, join(services.dataDir, "absent.sock")].map((socket) => ({ socket, label: "x" })),
    );
    expect(found.map((item) => Discovered.parse(item))).toMatchObject([
      { socket: live, usable: true, why: null },
      { socket: dead, usable: false },
    ]);
    expect(found[1]?.why).toBeTruthy();
    server.close();
    await rm(dead);
  });
});
