/** A real Xen host in emulation: inventory, disks there and back, a guest that boots from what was deployed. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyImage } from "#e2e/lab/tiny-image/tiny-image.ts";
import { whyNoXenHost } from "#e2e/lab/xen/built.ts";
import { startXenHost, type XenHostMachine } from "#e2e/lab/xen/xen-host.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { openImage } from "#lib/disk/registry.ts";
import type { InventoryItem } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { DiskSpec, HypervisorAdapter, VmSpec } from "../adapter.ts";
import { fillDisk } from "../fill-disk.ts";
import { xenDriver } from "./driver.ts";

const reason = whyNoXenHost();
const MINUTES = 60_000;

describe.skipIf(reason !== null)(`a real Xen 4.17 host${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let host: XenHostMachine;
  let adapter: HypervisorAdapter;

  beforeAll(async () => {
    host = await startXenHost();
    adapter = await xenDriver.open(
      { transport: "ssh", host: "127.0.0.1", port: host.port, user: "root", socket: null, hostKey: host.hostKey },
      { privateKey: host.clientKey },
    );
  }, 30 * MINUTES);
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    host.stop();
  });

  it("tells the host, its pool and its bridge, and hides its own domain", async () => {
    const items: InventoryItem[] = [];
    for await (const item of adapter.inventory()) items.push(item);
    expect(items[0]).toMatchObject({ kind: "host", product: "Xen by libvirt", cpus: 2 });
    // libxl has no memory statistics; the hypervisor tells what is free.
    expect(items[0]?.kind === "host" && (items[0].memoryFree ?? 0) > 0).toBe(true);
    expect(items.find((item) => item.kind === "pool")).toMatchObject({ ref: host.poolName, writable: true });
    expect(items.filter((item) => item.kind === "network").map((network) => network.ref)).toContain("bridge:xenbr0");
    expect(items.filter((item) => item.kind === "vm")).toEqual([]);
  });

  it(
    "boots a guest from a disk that was deployed, and removes both",
    async () => {
      await using file = await openImageFile(tinyImage());
      await using image = await openImage(file, { from: "raw" });
      const diskSpec: DiskSpec = {
        poolRef: host.poolName,
        name: `tiny-${randomUUID().slice(0, 8)}`,
        format: "raw",
        virtualSize: image.disk.size,
        fileLength: image.disk.size,
        placement: {},
      };
      const resource = await adapter.planDisk(diskSpec);
      const created = await adapter.createDisk(diskSpec);
      const { fingerprint } = await fillDisk(created, { disk: image.disk, to: "raw" });
      {
        await using back = await adapter.openResource(resource, "raw");
        if (back.access !== "random") throw new Error("not at random access");
        expect(await fingerprintDisk(back.disk)).toBe(fingerprint);
      }
      const tag = randomUUID();
      const spec: VmSpec = {
        name: "tiny & <ü>",
        cpus: 1,
        memory: 192 * 1024 ** 2,
        firmware: "bios",
        secureBoot: false,
        guest: null,
        placement: {},
        disks: [{ resource, format: "raw", bus: "xen" }],
        nics: [{ networkRef: `bridge:${host.bridge}`, model: "netfront", mac: null }],
        description: "",
      };
      const vm = await adapter.createVm(spec, tag);
      // Full virtualisation where the emulated processor has it; else pygrub starts a paravirtual guest.
      const hvm = adapter.capabilities.nics.includes("e1000");
      expect(vm).toMatchObject({
        machine: hvm ? "xenfv" : "PV",
        firmware: hvm ? "bios" : null,
        tag,
        state: "stopped",
      });
      await adapter.power(vm.ref, "start").catch((error: unknown) => {
        // In emulation pygrub alone may take longer than a call may.
        if (!(error instanceof AppError && error.code === "host.timeout")) throw error;
      });
      const blocks = `xenstore-ls /local/domain/$(xl domid '${spec.name}')/device/vbd | grep -c 'state = "4"'`;
      for (let i = 0; i < 40; i += 1) {
        // The guest's own kernel has connected its disk: it runs.
        if (host.run(`${blocks} || true`).trim() === "1") break;
        await new Promise((resolve) => setTimeout(resolve, 5000));
      }
      expect(host.run(blocks).trim()).toBe("1");
      for (const [action, state] of [
        ["pause", "paused"],
        ["resume", "running"],
        ["stop", "stopped"],
      ] as const) {
        await adapter.power(vm.ref, action);
        expect((await adapter.vm(vm.ref)).state).toBe(state);
      }
      for (let twice = 0; twice < 2; twice += 1) {
        await adapter.remove(adapter.planVm(spec, tag));
        await adapter.remove(resource);
      }
      await expect(adapter.vm(vm.ref)).rejects.toMatchObject({ code: "vm.not-found" });
      expect(host.run("ls /var/lib/libvirt/images").trim()).toBe("");
    },
    20 * MINUTES,
  );
});
