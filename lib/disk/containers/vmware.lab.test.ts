/** VMware's own Go client takes our OVAs apart and uploads them into its simulator of an ESXi host. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { govc, startVcsim, type Vcsim, whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import { openInspection } from "../file-conversion.ts";
import { createFileSink } from "../files/file-sink.ts";
import { Scratch } from "../testing/scratch.ts";
import { PACKAGE_WRITERS } from "./write.ts";

const MIB = 1024 ** 2;
const reason = whyNoVcsim();

describe.skipIf(reason !== null)(`govc and vcsim${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  const scratch = new Scratch();
  let sim: Vcsim;
  beforeAll(async () => {
    sim = await startVcsim({ kind: "esx", tls: true });
  });
  afterAll(async () => {
    await sim.stop();
    scratch[Symbol.dispose]();
  });

  // The simulator knows no SAS, SATA and NVMe controllers.
  it.each([
    ["pvscsi", "vmxnet3", "pvscsi"],
    ["scsi", "e1000", "lsilogic"],
    ["ide", null, "ide"],
  ] as const)("import a machine on %s with %s", async (bus: DiskBus, nic: NicModel | null, controller: string) => {
    const source = scratch.raw("disk.raw", 8 * MIB, [[MIB, MIB]]);
    const path = scratch.path(`${bus}.ova`);
    await using one = await openInspection(source);
    await using sink = await createFileSink(path);
    const machine = { name: bus, cpus: 3, memory: 768 * MIB, firmware: "uefi", bus, nic, guest: "linux" } as const;
    await PACKAGE_WRITERS.ova({ machine, disks: [one.disk, one.disk], sink, options: {} });

    const spec = JSON.parse(govc(sim, ["import.spec", path])) as { NetworkMapping?: unknown };
    if (nic !== null) expect(spec).toMatchObject({ NetworkMapping: [{ Name: "VM Network" }] });
    else expect(spec.NetworkMapping ?? []).toEqual([]);
    govc(sim, ["import.ova", "-name", `vm-${bus}`, path]);
    const devices = govc(sim, ["device.ls", "-vm", `vm-${bus}`]);
    const disks = govc(sim, ["device.info", "-vm", `vm-${bus}`, "disk-*"]);
    expect(devices).toContain(controller);
    expect([...disks.matchAll(/Summary:\s+8,192 KB/g)]).toHaveLength(2);
    expect(devices.includes("ethernet")).toBe(nic !== null);
    const info = govc(sim, ["vm.info", `vm-${bus}`]);
    expect(info).toMatch(/CPU:\s+3 vCPU/);
    expect(info).toMatch(/Memory:\s+768MB/);
  });
});
