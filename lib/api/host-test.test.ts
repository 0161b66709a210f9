/** What "try it" may make the server do, role by role: which programs it runs, which addresses it connects to. */
import { once } from "node:events";
import { access, chmod, mkdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { desc, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditEntries, hosts } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { HostTest } from "#lib/domain/host.ts";
import { ROLES } from "#lib/domain/role.ts";
import type { Ctx } from "#lib/services/context.ts";
import { testPerson } from "#lib/services/testing.ts";
import { registerHostRoutes } from "./host.ts";
import { testApi, type TestApi } from "./testing.ts";

let services: TestServices;
let api: TestApi;
let stored: string;
/** Listens on a port and on a socket, and counts who comes. */
let peer: Server;
let socket: Server;
let visits = 0;
let mark: string;
let named: string;
const PASSWORD = "correct-horse-battery";
const BELOW = ROLES.filter((role) => role !== "administrator");

const ran = () =>
  access(mark).then(
    () => true,
    () => false,
  );
const portOf = (server: Server) => (server.address() as AddressInfo).port;
const last = async () => (await services.db.select().from(auditEntries).orderBy(desc(auditEntries.seq)).limit(1))[0];

/** Is there an entry of such a refusal? */
const refused = async (role: string, action: string) =>
  (await services.db.select().from(auditEntries)).some(
    (entry) => entry.result === "refused" && entry.actorRole === role && entry.action.startsWith(action),
  );

beforeAll(async () => {
  services = await testServices();
  const people = Object.fromEntries(
    await Promise.all(ROLES.map(async (role): Promise<[string, Ctx]> => [role, await testPerson(services, role)])),
  );
  api = testApi(services, people, [registerHostRoutes]);
  const count = () => void (visits += 1);
  peer = createServer((connection) => connection.on("error", () => undefined).destroy()).on("connection", count);
  peer.listen(0, "127.0.0.1");
  socket = createServer((connection) => connection.on("error", () => undefined).destroy()).on("connection", count);
  socket.listen(join(services.dataDir, "libvirt.sock"));
  await Promise.all([once(peer, "listening"), once(socket, "listening")]);
  // What somebody who can write into an import folder leaves there.
  const folder = join(services.dataDir, "import");
  mark = join(folder, "ran");
  named = join(folder, "VBoxManage");
  await mkdir(folder);
  await writeFile(named, `#!/bin/sh\nenv > ${mark}\necho 7.2.0r1\n`);
  await chmod(named, 0o755);
  const demo = (await api.call("administrator", "POST", "/hosts/demo", {})).json as { items: { id: string }[] };
  stored = demo.items[0]?.id ?? "";
});
afterAll(async () => {
  peer.close();
  socket.close();
  await services.close();
});

/** Connections that a request names, of every kind that leads somewhere. */
const targets = (): Record<string, object> => {
  const at = { host: "127.0.0.1", port: portOf(peer) };
  return {
    "VirtualBox here, with a program": { driver: "virtualbox", connection: { transport: "local", program: named } },
    "VirtualBox here": { driver: "virtualbox", connection: { transport: "local" } },
    "a socket here": {
      driver: "kvm",
      connection: { transport: "unix", socket: join(services.dataDir, "libvirt.sock") },
    },
    "Xen's socket here": {
      driver: "xen",
      connection: { transport: "unix", socket: join(services.dataDir, "libvirt.sock") },
    },
    SSH: { driver: "kvm", connection: { transport: "ssh", ...at, user: "root" } },
    "VirtualBox over SSH": { driver: "virtualbox", connection: { transport: "ssh", ...at, user: "root" } },
    TLS: { driver: "kvm", connection: { transport: "tls", ...at } },
    vSphere: { driver: "vmware", connection: { transport: "https", ...at, user: "root" } },
    XenAPI: { driver: "xapi", connection: { transport: "https", ...at, user: "root" } },
    WinRM: { driver: "hyperv", connection: { transport: "http", ...at, user: "ops" } },
  };
};

describe("a connection that the request names", () => {
  it.each(BELOW)("is not even tried for the role %s", async (role) => {
    for (const [name, target] of Object.entries(targets())) {
      for (const secret of [null, { password: PASSWORD }]) {
        const answer = await api.call(role, "POST", "/hosts/test", { name: "probe", target, secret });
        expect([answer.status, (answer.json as { error: { code: string } }).error.code], name).toEqual([
          403,
          "auth.forbidden",
        ]);
      }
      expect(await refused(role, "host.test")).toBe(true);
      expect((await api.call(role, "POST", "/hosts", { name: "probe", target })).status, name).toBe(403);
      expect((await api.call(role, "PATCH", `/hosts/${stored}`, { target })).status, name).toBe(403);
    }
    expect(visits).toBe(0);
    expect(await ran()).toBe(false);
  });

  it("is tried for an administrator, and each try stands in the trail without its secret", async () => {
    for (const [name, target] of Object.entries(targets())) {
      const before = visits;
      const input = { name: "probe", target, secret: { password: PASSWORD } };
      const answer = await api.call("administrator", "POST", "/hosts/test", input);
      expect(answer.status, name).toBe(200);
      const test = HostTest.parse(answer.json);
      expect(test.ok, name).toBe(false);
      if (!name.startsWith("VirtualBox here")) expect(visits, name).toBeGreaterThan(before);
      const { connection } = target as { connection: { transport: string } };
      expect(await last(), name).toMatchObject({
        action: "host.tested",
        result: "failed",
        actorRole: "administrator",
        subjectKind: "host",
        subjectId: null,
        subjectName: "probe",
        details: { target: { connection: { transport: connection.transport } }, error: test.error?.code },
      });
    }
    // Not even an administrator says which program is run.
    expect(await ran()).toBe(false);
    const trail = JSON.stringify(await services.db.select().from(auditEntries));
    expect(trail).not.toContain(PASSWORD);
    expect(trail).not.toContain(named);
    expect(api.said.join("")).not.toContain(PASSWORD);
  });
});

describe("a stored host", () => {
  it("is tested and read again as it is stored by operators, and both stand in the trail", async () => {
    for (const role of ["administrator", "operator"]) {
      const answer = await api.call(role, "POST", "/hosts/test", { hostId: stored });
      expect(HostTest.parse(answer.json).ok, role).toBe(true);
      const entry = { actorRole: role, subjectKind: "host", subjectId: stored, result: "ok" };
      expect(await last()).toMatchObject({ ...entry, action: "host.tested" });
      expect((await api.call(role, "POST", `/hosts/${stored}/refresh`)).status).toBe(204);
      expect(await last()).toMatchObject({ ...entry, action: "host.refreshed" });
    }
    for (const role of ["requester", "auditor"]) {
      expect((await api.call(role, "POST", "/hosts/test", { hostId: stored })).status).toBe(403);
      expect((await api.call(role, "POST", `/hosts/${stored}/refresh`)).status).toBe(403);
      expect(await refused(role, "host.refresh")).toBe(true);
    }
  });

  it("is tested at no other address than its own", async () => {
    const before = visits;
    for (const target of Object.values(targets())) {
      const answer = await api.call("operator", "POST", "/hosts/test", { hostId: stored, name: "probe", target });
      // One or the other: together they are not understood, or are a connection of the request's own.
      expect([400, 403]).toContain(answer.status);
    }
    expect(visits).toBe(before);
  });

  it("from an earlier version may hold a program, which is run by nobody", async () => {
    const old = { driver: "virtualbox", connection: { transport: "local", program: named } } as never;
    const [row] = await services.db
      .insert(hosts)
      .values({ name: "old-vbox", vendor: "virtualbox", simulated: false, connection: old })
      .returning();
    const answer = await api.call("operator", "POST", "/hosts/test", { hostId: row?.id });
    expect(answer.status).toBe(200);
    expect(await ran()).toBe(false);
    await services.db.delete(hosts).where(eq(hosts.id, row?.id ?? ""));
  });
});
