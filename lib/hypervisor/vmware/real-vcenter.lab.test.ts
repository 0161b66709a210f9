/** What vCenters and ESXi hosts in use have and a fresh one has not: datastore clusters, odd names, licences, questions. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startVsphere, type VsphereLab } from "#e2e/lab/vmware/lab.ts";
import { vcsimProgram, whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import type { InventoryItem, StoragePool, Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import type { HypervisorAdapter, VmSpec } from "../adapter.ts";
import { stillPlan } from "../testing-capture.ts";
import { vmwareDriver } from "./driver.ts";
import { noisyDisk, sendNoise, specOf } from "./testing-disk.ts";

const reason = whyNoVcsim();
const because = reason === null ? "" : ` (skipped: ${reason})`;
const MiB = 1024 ** 2;
const SIZE = 2 * MiB;
const run = promisify(execFile);

async function failure(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  return work.then(
    () => ({ code: "no error", text: "" }),
    (error: unknown) =>
      error instanceof AppError
        ? { code: error.code, text: `${error.message} ${error.hint ?? ""}` }
        : { code: `not an AppError: ${String(error)}`, text: "" },
  );
}

async function govc(lab: VsphereLab, ...args: string[]): Promise<string> {
  const env = {
    ...process.env,
    GOVC_URL: `https://127.0.0.1:${lab.proxy.port}/sdk`,
    GOVC_USERNAME: lab.proxy.user,
    GOVC_PASSWORD: lab.proxy.password,
    GOVC_INSECURE: "1",
    GOVC_PERSIST_SESSION: "false",
  };
  return (await run(vcsimProgram("govc"), args, { env })).stdout;
}

async function inventoryOf(adapter: HypervisorAdapter): Promise<InventoryItem[]> {
  const items: InventoryItem[] = [];
  for await (const item of adapter.inventory()) items.push(item);
  return items;
}

const vmSpec = (more: Partial<VmSpec>): VmSpec => ({
  name: `vm-${randomUUID().slice(0, 8)}`,
  cpus: 1,
  memory: 64 * MiB,
  firmware: "bios",
  secureBoot: false,
  guest: null,
  placement: {},
  disks: [],
  nics: [],
  description: "for a test",
  ...more,
});

const newName = () => `real-${randomUUID().slice(0, 8)}`;

/** A VM with one noisy disk. */
async function makeVm(adapter: HypervisorAdapter, pool: string, more: Partial<VmSpec> = {}) {
  const { resource } = await sendNoise(adapter, specOf(pool, newName(), SIZE), 1);
  const tag = randomUUID();
  const spec = vmSpec({ disks: [{ resource, format: "vmdk", bus: "pvscsi" }], ...more });
  const vm = await adapter.createVm(spec, tag);
  return { vm, remove: () => adapter.remove(adapter.planVm(spec, tag)) };
}

async function readsByFile(adapter: HypervisorAdapter, vm: Vm): Promise<boolean> {
  await using opened = await adapter.openDisk(vm.ref, vm.disks[0]?.id ?? "", stillPlan());
  if (opened.access !== "random") return false;
  return (await fingerprintDisk(opened.disk)) === (await fingerprintDisk(noisyDisk(SIZE, 1)));
}

describe.skipIf(reason !== null)(`a vCenter in use${because}`, () => {
  let lab: VsphereLab;
  let adapter: HypervisorAdapter;
  let pools: StoragePool[] = [];
  const pool = (name: string): string => pools.find((each) => each.name === name)?.ref ?? "";

  beforeAll(async () => {
    lab = await startVsphere({ kind: "vpx", vms: 1, datastores: 2, pods: 1 });
    await govc(lab, "object.rename", "/DC0", "Berlin%2fDC0");
    const center = "/Berlin%2fDC0";
    await govc(lab, "object.mv", `${center}/datastore/LocalDS_1`, `${center}/datastore/DC0_POD0`);
    adapter = await vmwareDriver.open(lab.connection, lab.secret);
    pools = (await inventoryOf(adapter)).filter((item) => item.kind === "pool");
  });
  afterEach(() => lab.proxy.nameHost(null));
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  it("takes disks on the datastores of a datastore cluster", async () => {
    expect(pools.map(({ name, writable }) => [name, writable])).toEqual([
      ["LocalDS_0", true],
      ["LocalDS_1", true],
    ]);
    const { vm, remove } = await makeVm(adapter, pool("LocalDS_1"));
    expect(vm.disks[0]?.source).toContain("[LocalDS_1]");
    await remove();
  });

  it("gives out files of a data centre whose name has a slash", async () => {
    const { vm, remove } = await makeVm(adapter, pool("LocalDS_0"));
    lab.proxy.failNext("ExportVm", "NoPermission", "Permission to perform this operation was denied.");
    expect(await readsByFile(adapter, vm)).toBe(true);
    await remove();
  });

  it("sends disks to a host whose name nobody resolves by its address, and only to that host", async () => {
    const { thumbprint } = lab.proxy.certificate();
    const address = `esxi-1.invalid:${lab.proxy.port}`;
    lab.proxy.nameHost({ address, thumbprint });
    const { vm, remove } = await makeVm(adapter, pool("LocalDS_0"));
    await remove();
    expect(vm.disks).toHaveLength(1);
    lab.proxy.nameHost({ address, thumbprint: thumbprint.replaceAll(/[0-9]/g, "A") });
    const wrong = await failure(sendNoise(adapter, specOf(pool("LocalDS_0"), newName(), SIZE), 1));
    expect(wrong.code).toBe("host.unreachable");
    expect(wrong.text).toContain("resolve esxi-1.invalid");
    expect(lab.proxy.openLeases()).toBe(0);
  });

  it("sends disks to a host that is named by its IPv6 address", async ({ skip }) => {
    if (!lab.proxy.hasIpv6) skip("this machine has no IPv6");
    lab.proxy.nameHost({
      address: `[::1]:${lab.proxy.port}`,
      thumbprint: lab.proxy.certificate().thumbprint,
    });
    await (await makeVm(adapter, pool("LocalDS_0"))).remove();
  });

  it("puts many processors into few sockets", async () => {
    const guest = { id: "windows", name: "Windows", version: null, family: "windows" } as const;
    const { vm, remove } = await makeVm(adapter, pool("LocalDS_0"), { cpus: 4, guest });
    const seen = JSON.parse(await govc(lab, "vm.info", "-json", vm.name)) as {
      VirtualMachines: { Config: { Hardware: { NumCPU: number; NumCoresPerSocket: number } } }[];
    };
    expect(seen.VirtualMachines[0]?.Config.Hardware).toMatchObject({ NumCPU: 4, NumCoresPerSocket: 2 });
    // A drive for the guest tools.
    expect(await govc(lab, "device.ls", "-vm", vm.name)).toMatch(/^cdrom-/m);
    await remove();
  });

  it("leaves its templates and agents alone", async () => {
    const template = await makeVm(adapter, pool("LocalDS_0"));
    await govc(lab, "vm.markastemplate", template.vm.name);
    const agent = await makeVm(adapter, pool("LocalDS_0"), { name: "vCLS-2f4b3c1e-0000-4000-8000-000000000000" });
    for (const { vm } of [template, agent]) {
      expect((await adapter.vm(vm.ref)).powerBlocker).toContain(vm.name);
      expect((await failure(adapter.power(vm.ref, "start"))).code).toBe("host.refused");
    }
    await agent.remove();
  });

  it("says what a machine asks instead of waiting for its start, which goes on with the answer", async () => {
    const { vm, remove } = await makeVm(adapter, pool("LocalDS_0"));
    const self = { type: "VirtualMachine", id: vm.ref };
    const task = lab.proxy.holdNext("PowerOnVM_Task");
    await lab.proxy.backend.task(
      "ReconfigVM_Task",
      self,
      xml`<spec><extraConfig xsi:type="OptionValue"><key>SET.runtime.question</key><value xsi:type="VirtualMachineQuestionInfo"><id>7</id><text>msg.uuid.altered:Moved or copied?</text><choice><choiceInfo xsi:type="ElementDescription"><label>I _Moved It</label><summary>I _Moved It</summary><key>1</key></choiceInfo></choice></value></extraConfig></spec>`,
    );
    expect((await adapter.vm(vm.ref)).question).toEqual({ text: "Moved or copied?", choices: ["I Moved It"] });
    const asked = await failure(adapter.power(vm.ref, "start"));
    expect(asked.code).toBe("vm.question");
    expect(asked.text).toContain("Moved or copied?");
    expect(asked.text).toContain("I Moved It");
    expect(task.cancelled).toBe(false);
    await remove();
  });

  it("tells when a guest could not be told to hold still", async () => {
    const { vm, remove } = await makeVm(adapter, pool("LocalDS_0"));
    await adapter.power(vm.ref, "start");
    await govc(lab, "vm.change", "-vm", vm.name, "-e", "SET.guest.toolsRunningStatus=guestToolsRunning");
    const plan = await adapter.planCapture(vm.ref, [vm.disks[0]?.id ?? ""], randomUUID());
    lab.proxy.failNext("CreateSnapshot_Task", "ApplicationQuiesceFault", "The VSS writers failed.");
    {
      await using opened = await adapter.openDisk(vm.ref, vm.disks[0]?.id ?? "", plan);
      expect(opened.note).toContain("The VSS writers failed.");
    }
    // The snapshot is there: there is nothing to be told of it again.
    {
      await using again = await adapter.openDisk(vm.ref, vm.disks[0]?.id ?? "", plan);
      expect(again.note).toBeUndefined();
    }
    for (const each of plan.resources) await adapter.remove(each);
    await remove();
  });

  it("says that a password has expired", async () => {
    lab.proxy.failNext("Login", "PasswordExpired", "Cannot complete login.");
    const expired = await failure(vmwareDriver.open(lab.connection, lab.secret));
    expect(expired.code).toBe("host.auth-failed");
    expect(expired.text).toContain("has expired");
  });
});

describe.skipIf(reason !== null)(`an ESXi host with the free licence${because}`, () => {
  it("lets disks be read as files, and says beforehand that it takes none", async () => {
    await using lab = await startVsphere({ kind: "esx", vms: 1 });
    await using adapter = await vmwareDriver.open(lab.connection, lab.secret);
    const pools = (await inventoryOf(adapter)).filter((item) => item.kind === "pool");
    const pool = pools.find(({ writable }) => writable)?.ref ?? "";
    const { vm, remove } = await makeVm(adapter, pool);
    lab.proxy.restrict(true);
    expect(await readsByFile(adapter, vm)).toBe(true);
    expect(await failure(adapter.power(vm.ref, "start"))).toMatchObject({
      code: "host.read-only",
      text: expect.stringContaining("licence") as string,
    });
    // Whoever looks at what the host can take learns it before anything is tried.
    expect(await adapter.refreshCapabilities()).toMatchObject({ canStartVms: false, captureRunning: false });
    const refused = await failure(adapter.planDisk(specOf(pool, newName(), SIZE)));
    expect(refused).toMatchObject({
      code: "pool.not-writable",
      text: expect.stringContaining("free licence") as string,
    });
    lab.proxy.restrict(false);
    await adapter.refreshCapabilities();
    // The one host that there is names itself by a name that only it knows.
    const { thumbprint } = lab.proxy.certificate();
    lab.proxy.nameHost({ address: `esxi-1.invalid:${lab.proxy.port}`, thumbprint });
    await sendNoise(adapter, specOf(pool, newName(), SIZE), 1);
    await remove();
  });
});
