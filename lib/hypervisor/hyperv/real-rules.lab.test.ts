/** Rules of real hosts that are easily missed: each is one that a host of some release or some set-up has. */
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { becomeClient, DISKS } from "#e2e/lab/hyperv/seed.ts";
import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";
import { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { embeddedInstance } from "#lib/wire/wsman/embedded.ts";
import type { HostDisk, HypervisorAdapter, ResourceRef, VmSpec } from "../adapter.ts";
import { SERVICE } from "./define/new-machine.ts";
import { hypervDriver } from "./driver.ts";
import { HypervSession } from "./session.ts";

const reason = whyNoHyperv();
const MiB = 1024 ** 2;

const told = (work: Promise<unknown>): Promise<{ code: string; text: string }> =>
  work.then(
    () => ({ code: "no error", text: "" }),
    (error: unknown) =>
      error instanceof AppError
        ? { code: error.code, text: JSON.stringify([error.message, error.hint]) }
        : { code: `not an AppError: ${String(error)}`, text: "" },
  );

async function readAll(opened: HostDisk): Promise<Buffer> {
  await using held = opened;
  if (held.access !== "once") throw new Error("not a stream");
  const bytes = Buffer.alloc(held.stream.size);
  for await (const piece of held.stream.pieces()) bytes.set(piece.bytes, piece.offset);
  return bytes;
}

describe.skipIf(reason !== null)(`rules of Hyper-V hosts${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: HypervSimulator;
  let adapter: HypervisorAdapter;
  const content = Buffer.concat([randomBytes(MiB), Buffer.alloc(3 * MiB)]);
  let vhdx: Buffer;

  const connection = (callback?: string): HypervConnection =>
    HypervConnection.parse({
      ...{ transport: "http", host: "127.0.0.1", port: lab.httpPort, user: lab.user },
      ...(callback === undefined ? {} : { callback }),
    });
  const open = (callback?: string): Promise<HypervisorAdapter> =>
    hypervDriver.open(connection(callback), { password: lab.password });
  const spec = (more: Partial<VmSpec> = {}): VmSpec => ({
    name: `r-${randomUUID().slice(0, 8)}`,
    cpus: 1,
    memory: 256 * MiB,
    firmware: "uefi",
    secureBoot: false,
    guest: null,
    placement: {},
    disks: [],
    nics: [],
    description: "",
    ...more,
  });
  const plant = (): ResourceRef => {
    const path = `${DISKS}\\${randomUUID().slice(0, 8)}.vhdx`;
    writeFileSync(lab.jail.local(path) ?? "", vhdx);
    return { kind: "disk", ref: path, label: path };
  };
  const machine = (more: Partial<VmSpec> = {}): Promise<Vm> =>
    adapter.createVm(spec({ disks: [{ resource: plant(), format: "vhdx", bus: "scsi" }], ...more }), randomUUID());
  const settings = (vm: Vm) =>
    lab.store.where("Msvm_VirtualSystemSettingData", (values) => values["VirtualSystemIdentifier"] === vm.ref)[0]
      ?.values;
  const files = () => readdirSync(lab.jail.local(DISKS) ?? "");
  /** Sends the disk to the host, by which way it goes. */
  const send = async (by: HypervisorAdapter): Promise<{ bytes: Buffer; ran: string; resource: ResourceRef }> => {
    const name = `s-${randomUUID().slice(0, 8)}`;
    const size = { virtualSize: content.length, fileLength: vhdx.length, placement: {} };
    const created = await by.createDisk({ poolRef: "D:", name, format: "vhdx", ...size });
    if (!("pull" in created)) throw new Error("the host does not fetch");
    const from = lab.programs.ran.length;
    await created.pull({
      length: vhdx.length,
      read: async (offset, into) => void vhdx.copy(into, 0, offset, offset + into.length),
    });
    const ran = lab.programs.ran
      .slice(from)
      .map((line) => /^(curl|powershell)\.exe (?=-q|-NoP|--version)/.exec(line)?.[0].trim() ?? "")
      .join(" ")
      .trim();
    return { bytes: readFileSync(lab.jail.local(created.resource.ref) ?? ""), ran, resource: created.resource };
  };

  beforeAll(async () => {
    lab = await HypervSimulator.start();
    adapter = await open();
    const [raw, packed] = [join(lab.folder, "c.raw"), join(lab.folder, "c.vhdx")];
    writeFileSync(raw, content);
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", raw, packed]);
    vhdx = readFileSync(packed);
  });
  afterEach(() => {
    Object.assign(lab.programs, { curlVersion: "8.9.1", unwritten: null });
    Object.assign(lab.machines, { untold: false });
    lab.shells.twoStates = false;
    lab.programs.missing.clear();
    lab.snapshots.restless.clear();
  });
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  it.each(["7.83.1", "8.9.1", "8.13.0"])("curl %s compares the name in the certificate, both ways", async (version) => {
    lab.programs.curlVersion = version;
    await using own = await open();
    const { bytes, ran, resource } = await send(own);
    expect(ran).toBe("curl.exe curl.exe");
    expect(bytes.equals(vhdx)).toBe(true);
    expect((await readAll(await own.openResource(resource, "vhdx"))).equals(content)).toBe(true);
  });

  it("asks for curl once a session, and needs no trick where the console has a name", async () => {
    await using own = await open("localhost");
    const from = lab.programs.ran.length;
    for (let i = 0; i < 2; i += 1) expect((await send(own)).bytes.equals(vhdx)).toBe(true);
    const ran = lab.programs.ran.slice(from);
    expect(ran.filter((line) => line === "curl.exe --version")).toHaveLength(1);
    expect(ran.some((line) => line.includes("--resolve"))).toBe(false);
  });

  it("goes by .NET where curl is too old or missing, and says so when that is missing as well", async () => {
    lab.programs.curlVersion = "7.55.1";
    await using early = await open();
    expect((await send(early)).ran).toBe("curl.exe powershell.exe");
    lab.programs.missing.add("curl");
    await using bare = await open();
    const { bytes, ran } = await send(bare);
    expect(bytes.equals(vhdx)).toBe(true);
    expect(ran).toBe("curl.exe powershell.exe");
    lab.programs.missing.add("powershell");
    expect(await told(send(bare))).toMatchObject({
      code: "host.no-downloader",
      text: expect.stringContaining("not recognized"),
    });
  });

  it("believes no exit code of a command that prints nothing", async () => {
    for (const unwritten of [/\.transfer-ca$/, /\.transfer-key$/]) {
      lab.programs.unwritten = unwritten;
      const failed = await told(send(adapter));
      expect(failed.code).toBe("host.refused");
      expect(failed.text).toContain("Preparing");
    }
    lab.programs.unwritten = /\.vhdx$/;
    expect((await told(send(adapter))).text).toContain("Naming");
  });

  it("reads how a program ended from an answer with two states", async () => {
    lab.shells.twoStates = true;
    expect((await send(adapter)).bytes.equals(vhdx)).toBe(true);
  });

  it("gives a machine an even number of megabytes, no fewer than asked for", async () => {
    for (const [asked, given] of [
      [1025 * MiB, 1026],
      [1024 * MiB, 1024],
      [1024 * MiB + 1, 1026],
      [MiB, 32],
    ] as const) {
      const vm = await adapter.createVm(spec({ memory: asked }), randomUUID());
      expect(vm.memory).toBe(given * MiB);
    }
  });

  it.each(["uefi", "bios"] as const)("finds by itself what a job of the host does not name, %s", async (firmware) => {
    lab.machines.untold = true;
    const bus = firmware === "uefi" ? "scsi" : "ide";
    const disks = [plant(), plant()].map((resource) => ({ resource, format: "vhdx" as const, bus: bus as "scsi" }));
    const nics = [1, 2].map(() => ({
      networkRef: lab.seeded.switches.external,
      model: "netvsc" as const,
      mac: null,
    }));
    const vm = await adapter.createVm(spec({ firmware, disks, nics }), randomUUID());
    expect(vm.disks.map(({ source }) => source)).toEqual(disks.map(({ resource }) => resource.ref));
    expect(vm.nics.map(({ networkRef }) => networkRef)).toEqual(nics.map(({ networkRef }) => networkRef));
  });

  it("takes no property of another type than its class has", async () => {
    const vm = await machine();
    expect(settings(vm)).toMatchObject({ ElementName: vm.name, AutomaticSnapshotsEnabled: false });
    await using session = new HypervSession(connection(), { password: lab.password });
    const mistyped = embeddedInstance("Msvm_VirtualSystemSettingData", {
      InstanceID: ["string", `Microsoft:${vm.ref}`],
      BootOrder: ["uint32", ["2", "1"]],
    });
    const refused = await told(session.invoke(SERVICE, "ModifySystemSettings", { SystemSettings: mistyped }, "Trying"));
    expect(refused).toMatchObject({ code: "host.refused", text: expect.stringContaining("another type") });
  });

  describe("while a disk is captured", () => {
    it("reads a guest that cannot come to rest as after a power failure, and says so", async () => {
      const vm = await machine();
      await adapter.power(vm.ref, "start");
      lab.snapshots.restless.set(vm.name, "The guest's VSS writers failed (0x800423F4).");
      const id = vm.disks[0]!.id;
      const planned = await adapter.planCapture(vm.ref, [id], randomUUID());
      const opened = await adapter.openDisk(vm.ref, id, planned);
      expect(opened.note).toMatch(/as after a power failure.*0x800423F4/);
      expect((await readAll(opened)).equals(content)).toBe(true);
      for (const each of [...planned.resources].reverse()) await adapter.remove(each);
      lab.snapshots.restless.clear();
      const again = await adapter.planCapture(vm.ref, [id], randomUUID());
      const rested = await adapter.openDisk(vm.ref, id, again);
      expect(rested.note).toBeUndefined();
      await rested[Symbol.asyncDispose]();
      for (const each of [...again.resources].reverse()) await adapter.remove(each);
    });

    it.each([false, true])(
      "makes no copy that nobody planned when a checkpoint came in between, running %s",
      async (running) => {
        const vm = await machine();
        if (running) await adapter.power(vm.ref, "start");
        const id = vm.disks[0]!.id;
        const planned = await adapter.planCapture(vm.ref, [id], randomUUID());
        await lab.snapshots.take(vm.ref, "the backup program's own");
        const refused = await told(adapter.openDisk(vm.ref, id, planned));
        expect(refused.code).toBe("vm.changed");
        for (const each of [...planned.resources].reverse()) await adapter.remove(each);
        expect(files().filter((name) => name.startsWith("supravisor-"))).toEqual([]);
        expect((await adapter.vm(vm.ref)).snapshots.map(({ name }) => name)).toEqual(["the backup program's own"]);
      },
    );
  });

  it("shuts a guest down whose integration services are of another version", async () => {
    const vm = await machine();
    await adapter.power(vm.ref, "start");
    for (const each of lab.store.where("Msvm_ShutdownComponent", (values) => values["SystemName"] === vm.ref))
      each.values["OperationalStatus"] = [3];
    expect(await told(adapter.power(vm.ref, "shutdown"))).toMatchObject({ code: "no error" });
  });

  it("offers nothing on an ARM machine, and says why", async () => {
    const [system] = lab.store.all("Win32_OperatingSystem");
    const before = system!.values["OSArchitecture"] ?? null;
    system!.values["OSArchitecture"] = "ARM 64-bit Processor";
    const { firmware, canStartVms, whyNotStart } = await adapter.refreshCapabilities();
    system!.values["OSArchitecture"] = before;
    expect(firmware.map(({ available }) => available)).toEqual([false, false]);
    expect(canStartVms).toBe(false);
    expect(whyNotStart).toContain("ARM machine");
    expect((await adapter.refreshCapabilities()).canStartVms).toBe(true);
  });

  it("keeps Windows 10 and 11 from making checkpoints of what it deploys", async () => {
    becomeClient(lab.store);
    const vm = await machine();
    await adapter.power(vm.ref, "start");
    const started = await adapter.vm(vm.ref);
    expect(started.snapshots).toEqual([]);
    expect(started.disks[0]?.source).toBe(vm.disks[0]?.source);
    // Releases before 1709 do not know the property.
    const [system] = lab.store.all("Win32_OperatingSystem");
    Object.assign(system!.values, { BuildNumber: "14393", ProductType: 3 });
    expect((await machine()).disks).toHaveLength(1);
  });
});
