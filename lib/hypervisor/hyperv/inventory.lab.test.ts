import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";
import type { InventoryItem } from "#lib/domain/inventory.ts";
import { hypervDriver } from "./driver.ts";

const reason = whyNoHyperv();

describe.skipIf(reason !== null)(`inventory of a Hyper-V host${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  it("shows drives, switches, and a cluster's volumes and roles once the host is a node", async () => {
    await using lab = await HypervSimulator.start();
    await using adapter = await hypervDriver.open(
      {
        transport: "http",
        host: "127.0.0.1",
        port: lab.httpPort,
        auth: "ntlm",
        user: lab.user,
        callback: null,
        files: { by: "winrm" },
      },
      { password: lab.password },
    );
    const items = async () => {
      const all: InventoryItem[] = [];
      for await (const item of adapter.inventory()) all.push(item);
      return all;
    };
    const before = await items();
    expect(before[0]).toMatchObject({ kind: "host", name: "HV-LAB", cpus: 16, version: "10.0.20348" });
    expect(before.filter((item) => item.kind === "pool").map(({ ref, path }) => [ref, path])).toEqual([
      ["C:", "C:\\Hyper-V\\Virtual Hard Disks"],
      ["D:", "D:\\Hyper-V\\Virtual Hard Disks"],
    ]);
    expect(before.filter((item) => item.kind === "network").map(({ name, type }) => [name, type])).toEqual([
      ["LAN", "external"],
      ["Default Switch", "internal"],
      ["Isolated", "private"],
    ]);

    lab.joinCluster("hvc", ["moves"]);
    const created = await (async () => {
      await items();
      return adapter.createDisk({
        poolRef: "C:\\ClusterStorage\\Volume1",
        name: "shared",
        format: "vhdx",
        virtualSize: 1,
        fileLength: 3,
        placement: {},
      });
    })();
    if (!("pull" in created)) throw new Error("the host does not fetch");
    await created.pull({ length: 3, read: async (_offset, into) => void into.fill(7) });
    expect(created.resource.ref).toBe("C:\\ClusterStorage\\Volume1\\Hyper-V\\Virtual Hard Disks\\shared.vhdx");
    const vm = await adapter.createVm(
      {
        name: "moves",
        cpus: 1,
        memory: 2 ** 28,
        firmware: "uefi",
        secureBoot: false,
        guest: null,
        placement: {},
        disks: [{ resource: created.resource, format: "vhdx", bus: "scsi" }],
        nics: [],
        description: "",
      },
      randomUUID(),
    );
    expect(vm).toMatchObject({ location: { cluster: "hvc", node: "HV-LAB" }, tools: null, tpm: false });
    expect(vm.disks[0]?.storageRef).toBe("C:\\ClusterStorage\\Volume1");
    await adapter.power(vm.ref, "start");
    const running = (await items()).find((item) => item.ref === vm.ref);
    expect(running).toMatchObject({ tools: "heartbeat", guestOs: "Debian GNU/Linux 12" });
  });
});
