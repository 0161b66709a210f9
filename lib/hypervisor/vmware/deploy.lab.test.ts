/** Deploys and captures as vCenter and one ESXi host see them; what came is compared by qemu-img, what is there by govc. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startVsphere, type VsphereLab } from "#e2e/lab/vmware/lab.ts";
import { vcsimProgram, whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import type { Network, StoragePool, Vm } from "#lib/domain/inventory.ts";
import type { DiskBus } from "#lib/domain/hardware.ts";
import type { HypervisorAdapter, ResourceRef, VmSpec } from "../adapter.ts";
import { vmwareDriver } from "./driver.ts";
import { noisyDisk, sendNoise, specOf } from "./testing-disk.ts";
import { stillPlan } from "../testing-capture.ts";

const reason = whyNoVcsim();
const MiB = 1024 ** 2;
const run = promisify(execFile);

describe.skipIf(reason !== null).each(["vpx", "esx"] as const)(
  `a deploy to %s${reason === null ? "" : ` (skipped: ${reason})`}`,
  (kind) => {
    let lab: VsphereLab;
    let adapter: HypervisorAdapter;
    const pools: StoragePool[] = [];
    const networks: Network[] = [];
    const made: ResourceRef[] = [];

    beforeAll(async () => {
      lab = await startVsphere({ kind, vms: 1, hosts: 2 });
      adapter = await vmwareDriver.open(lab.connection, lab.secret);
      for await (const item of adapter.inventory()) {
        if (item.kind === "pool" && item.writable) pools.push(item);
        if (item.kind === "network" && item.active) networks.push(item);
      }
    });
    afterAll(async () => {
      for (const resource of made.reverse()) await adapter.remove(resource);
      await adapter[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    });

    const govc = async (...args: string[]): Promise<string> => {
      const env = {
        ...process.env,
        GOVC_URL: `https://127.0.0.1:${lab.proxy.port}/sdk`,
        GOVC_USERNAME: lab.proxy.user,
        GOVC_PASSWORD: lab.proxy.password,
        GOVC_INSECURE: "1",
        GOVC_PERSIST_SESSION: "false",
      };
      return (await run(vcsimProgram("govc"), args, { env })).stdout;
    };
    const pool = (): string => pools[0]?.ref ?? "";

    async function deploy(buses: readonly DiskBus[], more: Partial<VmSpec> = {}): Promise<Vm> {
      const disks: ResourceRef[] = [];
      const placement = more.placement ?? {};
      for (const [index] of buses.entries()) {
        const spec = { ...specOf(pool(), `deploy-${randomUUID().slice(0, 8)}`, (1 + index) * MiB), placement };
        const { resource } = await sendNoise(adapter, spec, index);
        made.push(resource);
        disks.push(resource);
      }
      const tag = randomUUID();
      const spec: VmSpec = {
        name: `vm-${randomUUID().slice(0, 8)}`,
        cpus: 2,
        memory: 127 * MiB,
        firmware: "uefi",
        secureBoot: true,
        guest: { id: "debian", name: "Debian", version: "12", family: "linux" },
        placement,
        disks: disks.map((resource, index) => ({ resource, format: "vmdk", bus: buses[index] ?? "pvscsi" })),
        nics: networks.map((network) => ({ networkRef: network.ref, model: "vmxnet3", mac: null })),
        description: "Made for a test",
        ...more,
      };
      made.push(adapter.planVm(spec, tag));
      return adapter.createVm(spec, tag);
    }

    it("puts disks on the buses that were chosen, in order, with their bytes, in one folder", async () => {
      const buses: readonly DiskBus[] = ["pvscsi", "sata", "ide", "pvscsi"];
      const vm = await deploy(buses);
      expect(vm.disks.map((disk) => disk.bus)).toEqual(buses);
      expect(vm).toMatchObject({
        cpus: 2,
        memory: 128 * MiB,
        firmware: "uefi",
        secureBoot: true,
        description: "Made for a test",
      });
      expect(vm.nics.map((nic) => [nic.model, nic.networkRef])).toEqual(
        networks.map((network) => ["vmxnet3", network.ref]),
      );
      const folders = new Set(vm.disks.map((disk) => disk.source?.slice(0, disk.source.lastIndexOf("/"))));
      expect(folders.size).toBe(1);
      for (const [index, disk] of vm.disks.entries()) {
        const scratch = join(tmpdir(), `supravisor-${randomUUID()}.raw`);
        const noise = noisyDisk((1 + index) * MiB, index);
        const bytes = Buffer.alloc(noise.size);
        await noise.read(0, bytes);
        writeFileSync(scratch, bytes);
        const flat = await lab.proxy.path((disk.source ?? "").replace(".vmdk", "-flat.vmdk"));
        expect((await run("qemu-img", ["compare", "-f", "raw", "-F", "raw", scratch, flat])).stdout).toContain(
          "Images are identical",
        );
        await rm(scratch);
        const opened = await adapter.openDisk(vm.ref, disk.id, stillPlan());
        expect(opened.access === "once" && opened.stream.size).toBe(noise.size);
        await opened[Symbol.asyncDispose]();
      }
      const seen = JSON.parse(await govc("vm.info", "-json", vm.name)) as {
        VirtualMachines: { Config: { Firmware: string; Hardware: { NumCPU: number }; GuestId: string } }[];
      };
      expect(seen.VirtualMachines[0]?.Config).toMatchObject({ Firmware: "efi", Hardware: { NumCPU: 2 } });
      expect(seen.VirtualMachines[0]?.Config.GuestId).toMatch(/^debian\d+_64Guest$/);
      expect(lab.proxy.openLeases()).toBe(0);
    });

    it("reads a stopped VM's disk from its file where exports are refused", async () => {
      const vm = await deploy(["pvscsi"]);
      lab.proxy.failNext("ExportVm", "NoPermission", "Permission to perform this operation was denied.");
      await using opened = await adapter.openDisk(vm.ref, vm.disks[0]?.id ?? "", stillPlan());
      if (opened.access !== "random") throw new Error("the file was not read");
      expect(await fingerprintDisk(opened.disk)).toBe(await fingerprintDisk(noisyDisk(MiB, 0)));
    });

    it("refuses what vSphere has not, before anything is made", async () => {
      const before = await govc("find", "/", "-type", "m");
      await expect(adapter.planDisk({ ...specOf(pool(), "x"), format: "qcow2" })).rejects.toMatchObject({
        code: "host.refused",
      });
      await expect(adapter.planDisk(specOf(pool(), "../x"))).rejects.toMatchObject({ code: "host.refused" });
      await expect(
        adapter.planDisk({ ...specOf(pool(), "x"), placement: { host: "host-nowhere" } }),
      ).rejects.toMatchObject({ code: "host.refused" });
      expect(await govc("find", "/", "-type", "m")).toBe(before);
    });

    it.skipIf(kind === "esx")("goes into the folder, the pool and onto the host that were chosen", async () => {
      await govc("folder.create", "/DC0/vm/Web", "/DC0/vm/Web/DMZ");
      await govc("pool.create", "/DC0/host/DC0_C0/Resources/Gold");
      const { placements } = await adapter.refreshCapabilities();
      const option = (id: string, label: RegExp): string => {
        const found = placements.find((each) => each.id === id)?.options.find((each) => label.test(each.label));
        if (found === undefined) throw new Error(`no ${id} like ${label}: ${JSON.stringify(placements)}`);
        return found.ref;
      };
      const placement = {
        folder: option("folder", /^Web\/DMZ$/),
        "resource-pool": option("resource-pool", /Gold$/),
        host: option("host", /^DC0_C0_H1$/),
      };
      const vm = await deploy(["pvscsi"], { placement });
      expect(vm.location).toEqual({ folder: "Web/DMZ", cluster: "DC0_C0", node: "DC0_C0_H1" });
      expect(await govc("find", "/DC0/vm/Web/DMZ", "-type", "m")).toContain(vm.name);
      await expect(
        adapter.planDisk({ ...specOf(pool(), "x"), placement: { ...placement, host: option("host", /^DC0_H0$/) } }),
      ).rejects.toMatchObject({ code: "host.refused" });
    });
  },
);
