import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hosts, inventoryItems } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { LiveEvent } from "#lib/domain/page.ts";
import type { Ctx } from "#lib/services/context.ts";
import { addDemoHosts } from "#lib/services/host/add-demo-hosts.ts";
import { removeHost } from "#lib/services/host/remove-host.ts";
import { powerVm } from "#lib/services/vm/power-vm.ts";
import { testPerson } from "#lib/services/testing.ts";
import { withHost } from "./sessions.ts";
import { startInventorySync, type InventorySync } from "./sync.ts";

// Of a machine that is busy with other things.
vi.setConfig({ testTimeout: 180_000 });

let services: TestServices;
let admin: Ctx;
let sync: InventorySync;
const events: LiveEvent[] = [];

beforeAll(async () => {
  services = await testServices();
  admin = await testPerson(services, "administrator");
  services.events.subscribe((event) => events.push(event));
  sync = await startInventorySync(services);
  await addDemoHosts(admin);
});
afterAll(async () => {
  await sync.close();
  await services.close();
});

const hostNamed = async (name: string) => (await services.db.select().from(hosts).where(eq(hosts.name, name)))[0];
const itemsOf = (hostId: string) => services.db.select().from(inventoryItems).where(eq(inventoryItems.hostId, hostId));
const patient = { timeout: 50_000, interval: 50 };

describe("startInventorySync", () => {
  it("brings hosts that are added online, with their rows and capabilities", async () => {
    for (const vendor of ["vmware", "hyperv", "xen", "kvm", "virtualbox"]) {
      await expect.poll(async () => (await hostNamed(`demo-${vendor}`))?.state, patient).toBe("online");
      const host = await hostNamed(`demo-${vendor}`);
      expect(host).toMatchObject({ vendor, simulated: true, error: null, staleSince: null });
      expect(host?.capabilities?.simulated).toBe(true);
      const kinds = new Set((await itemsOf(host?.id ?? "")).map((row) => row.kind));
      expect(kinds).toEqual(new Set(["host", "vm", "pool", "network"]));
    }
    expect(await addDemoHosts(admin)).toHaveLength(5);
  });

  it("writes what a power action changed and says so in one event", async () => {
    const host = await hostNamed("demo-kvm");
    const stopped = (await itemsOf(host?.id ?? "")).find((row) => row.kind === "vm" && row.state === "stopped");
    expect(stopped).toBeDefined();
    events.length = 0;
    await powerVm(admin, host?.id ?? "", stopped?.ref ?? "", "start");
    await expect
      .poll(async () => (await itemsOf(host?.id ?? "")).find((row) => row.ref === stopped?.ref)?.state, patient)
      .toBe("running");
    await expect
      .poll(
        () =>
          events.some((e) => e.type === "inventory" && e.hostId === host?.id && e.refs.includes(stopped?.ref ?? "")),
        patient,
      )
      .toBe(true);
    await expect(powerVm(admin, host?.id ?? "", stopped?.ref ?? "", "start")).rejects.toMatchObject({
      code: "vm.wrong-state",
    });
    await powerVm(admin, host?.id ?? "", stopped?.ref ?? "", "stop");
  });

  it("keeps the rows of a lost host, marked as old, and recovers", async () => {
    const host = await hostNamed("demo-xen");
    const before = (await itemsOf(host?.id ?? "")).length;
    const socket = `${services.dataDir}/nobody-listens`;
    await services.db
      .update(hosts)
      .set({ connection: { driver: "kvm", connection: { transport: "unix", socket } } })
      .where(eq(hosts.name, "demo-xen"));
    services.events.publish({ type: "host", id: host?.id ?? "" });
    await expect.poll(async () => (await hostNamed("demo-xen"))?.state, patient).toBe("offline");
    const lost = await hostNamed("demo-xen");
    expect(lost?.staleSince).not.toBeNull();
    expect(lost?.error?.code).toMatch(/^host\./);
    expect(await itemsOf(host?.id ?? "")).toHaveLength(before);
    await expect(withHost(services, host?.id ?? "", (adapter) => adapter.refreshCapabilities())).rejects.toMatchObject({
      code: "host.offline",
    });
    await services.db
      .update(hosts)
      .set({ connection: { driver: "demo", connection: { transport: "demo", vendor: "xen" } } })
      .where(eq(hosts.name, "demo-xen"));
    services.events.publish({ type: "host", id: host?.id ?? "" });
    // Online as soon as it is open; its rows are old until they are read.
    await expect.poll(async () => (await hostNamed("demo-xen"))?.staleSince, patient).toBeNull();
    expect(await hostNamed("demo-xen")).toMatchObject({ state: "online", error: null });
  });

  it("corrects what another process, or a dead one, wrote of a host that it holds", async () => {
    const host = await hostNamed("demo-kvm");
    const error = { kind: "unavailable" as const, code: "host.unreachable", message: "Seen from elsewhere." };
    await services.db
      .update(hosts)
      .set({ state: "offline", error, staleSince: new Date() })
      .where(eq(hosts.id, host?.id ?? ""));
    await expect
      .poll(async () => (await hostNamed("demo-kvm"))?.state, { timeout: 50_000, interval: 200 })
      .toBe("online");
    expect(await hostNamed("demo-kvm")).toMatchObject({ error: null, staleSince: null });
  });

  it("ends the session of a host that is removed, and forgets its inventory", async () => {
    const host = await hostNamed("demo-hyperv");
    await removeHost(admin, host?.id ?? "");
    expect(await hostNamed("demo-hyperv")).toBeUndefined();
    expect(await itemsOf(host?.id ?? "")).toEqual([]);
    await expect
      .poll(
        () => withHost(services, host?.id ?? "", async () => "there").catch((error: { code: string }) => error.code),
        patient,
      )
      .toBe("host.not-found");
  });

  it("puts items right that changed or vanished while nobody looked", async () => {
    await sync.close();
    const host = await hostNamed("demo-vmware");
    const id = host?.id ?? "";
    const all = await itemsOf(id);
    const vm = all.find((row) => row.kind === "vm");
    if (vm === undefined) throw new Error("the simulated host has no VM");
    await services.db.insert(inventoryItems).values({ ...vm, ref: "vanished", name: "vanished" });
    await services.db
      .update(inventoryItems)
      .set({ name: "old name", data: { ...vm.data, name: "old name" } })
      .where(eq(inventoryItems.ref, vm.ref));
    sync = await startInventorySync(services);
    await expect.poll(async () => (await itemsOf(id)).some((row) => row.ref === "vanished"), patient).toBe(false);
    await expect.poll(async () => (await itemsOf(id)).find((row) => row.ref === vm.ref)?.name, patient).toBe(vm.name);
  });
});
