import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { HypervisorAdapter } from "./adapter.ts";
import { lendDisk } from "./lend-disk.ts";
import { openHost } from "./registry.ts";

const signal = new AbortController().signal;
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "supravisor-lend-"));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const open = (vendor: Vendor) =>
  openHost({ driver: "demo", connection: { transport: "demo", vendor } }, null, { dataDir });

async function vmNamed(adapter: HypervisorAdapter, name: string) {
  for await (const item of adapter.inventory()) if (item.kind === "vm" && item.name === name) return item;
  throw new Error(`no VM ${name}`);
}

describe("a disk that is lent", () => {
  it("of a stopped VM is refused when somebody starts the VM meanwhile", async () => {
    await using adapter = await open("kvm");
    const vm = await vmNamed(adapter, "build-03");
    const diskId = vm.disks[0]!.id;
    const lent = { vmRef: vm.ref, diskId, plan: await adapter.planCapture(vm.ref, [diskId], "t") };
    await expect(lendDisk(adapter, lent, async (opened) => opened.access, signal)).resolves.toBe("random");
    const started = lendDisk(adapter, lent, () => adapter.power(vm.ref, "start"), signal);
    await expect(started).rejects.toMatchObject({ kind: "conflict", code: "vm.running" });
    await expect(lendDisk(adapter, lent, async () => "read", signal)).rejects.toMatchObject({ code: "vm.running" });
  });

  it("of a snapshot stays what it is while the VM starts or stops", async () => {
    await using adapter = await open("vmware");
    const vm = await vmNamed(adapter, "web-01");
    const diskId = vm.disks[0]!.id;
    const plan = await adapter.planCapture(vm.ref, [diskId], "t");
    expect(plan.ofSnapshot).toBe(true);
    const lent = { vmRef: vm.ref, diskId, plan };
    await lendDisk(adapter, lent, () => adapter.power(vm.ref, "stop"), signal);
    for (const resource of plan.resources) await adapter.remove(resource);
  });
});
