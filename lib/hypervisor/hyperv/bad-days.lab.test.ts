/** What goes wrong with a Hyper-V host: each time a typed error, nothing half-made, and no secret in what is said. */
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";
import { SNAPSHOT } from "#e2e/lab/hyperv/machines.ts";
import { DISKS } from "#e2e/lab/hyperv/seed.ts";
import type { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { InventoryChange, Vm } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { readObjectPath } from "#lib/wire/wsman/object-path.ts";
import type { HostDisk, HypervisorAdapter, PulledDisk, ResourceRef, VmSpec } from "../adapter.ts";
import { hypervDriver, makeHypervDriver } from "./driver.ts";

const reason = whyNoHyperv();
const MiB = 1024 ** 2;

async function told(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  return work.then(
    () => ({ code: "no error", text: "" }),
    (error: unknown) =>
      error instanceof AppError
        ? { code: error.code, text: JSON.stringify([error.message, error.hint, error.details]) }
        : { code: `not an AppError: ${String(error)}`, text: "" },
  );
}

async function readAll(opened: HostDisk): Promise<Buffer> {
  await using held = opened;
  if (held.access !== "once") throw new Error("not a stream");
  const bytes = Buffer.alloc(held.stream.size);
  for await (const piece of held.stream.pieces()) bytes.set(piece.bytes, piece.offset);
  return bytes;
}

describe.skipIf(reason !== null)(`bad days of a Hyper-V host${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: HypervSimulator;
  let adapter: HypervisorAdapter;
  const content = Buffer.concat([randomBytes(2 * MiB), Buffer.alloc(6 * MiB)]);
  let vhdx: Buffer;

  const https = (more: Partial<HypervConnection> = {}): HypervConnection =>
    ({
      transport: "https",
      host: "127.0.0.1",
      port: lab.httpsPort,
      auth: "ntlm",
      user: lab.user,
      certificate: lab.fingerprint,
      caCertificate: null,
      clientCertificate: null,
      callback: null,
      files: { by: "winrm" },
      ...more,
    }) as HypervConnection;
  /** Sealed: a broken connection loses the key stream. */
  const http = (): HypervConnection => ({
    transport: "http",
    host: "127.0.0.1",
    port: lab.httpPort,
    auth: "ntlm",
    user: lab.user,
    callback: null,
    files: { by: "winrm" },
  });
  const secret = () => ({ password: lab.password });
  const name = () => `x-${randomUUID().slice(0, 8)}`;
  const file = () => ({
    length: vhdx.length,
    read: async (offset: number, into: Uint8Array) => void vhdx.copy(into, 0, offset, offset + into.length),
  });
  const disk = async (): Promise<PulledDisk> => {
    const created = await adapter.createDisk({
      poolRef: "D:",
      name: name(),
      format: "vhdx",
      virtualSize: content.length,
      fileLength: vhdx.length,
      placement: {},
    });
    if (!("pull" in created)) throw new Error("the host does not fetch");
    return created;
  };
  const spec = (more: Partial<VmSpec> = {}): VmSpec => ({
    name: name(),
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
  /** Puts a file on the host behind everybody's back. */
  const plant = (path: string, bytes: Buffer): ResourceRef => {
    lab.jail.makeFolder(path.slice(0, path.lastIndexOf("\\")));
    writeFileSync(lab.jail.local(path) ?? "", bytes);
    return { kind: "disk", ref: path, label: path };
  };
  const machine = async (more: Partial<VmSpec> = {}, path = `${DISKS}\\${name()}.vhdx`): Promise<Vm> => {
    const resource = plant(path, vhdx);
    return adapter.createVm(spec({ disks: [{ resource, format: "vhdx", bus: "scsi" }], ...more }), randomUUID());
  };
  const files = (): string[] => readdirSync(lab.jail.local(DISKS) ?? "");
  const leftovers = (): string[] => files().filter((each) => /supravisor|\.part|\.transfer/.test(each));
  const until = async (test: () => boolean): Promise<void> => {
    for (let i = 0; i < 100 && !test(); i += 1) await delay(50);
    expect(test()).toBe(true);
  };

  beforeAll(async () => {
    lab = await HypervSimulator.start();
    adapter = await hypervDriver.open(http(), secret());
    const [raw, packed] = [join(lab.folder, "c.raw"), join(lab.folder, "c.vhdx")];
    writeFileSync(raw, content);
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", raw, packed]);
    vhdx = readFileSync(packed);
  });
  afterEach(() => {
    Object.assign(lab.programs, { rate: null, largestFile: null, rotten: false });
    lab.shells.most = 30;
    lab.programs.missing.clear();
    lab.jobs.failing.clear();
    lab.jobs.stuck.clear();
    lab.jobs.takes = 30;
    lab.snapshots.refusing.clear();
    lab.withoutRights = false;
  });
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  it("refuses a wrong password, with what Windows hides behind it, without the password", async () => {
    for (const way of [http(), https(), https({ auth: "basic" } as Partial<HypervConnection>)]) {
      const wrong = await told(hypervDriver.open(way, { password: "hunter2hunter2" }));
      expect(wrong.code).toBe("host.auth-failed");
      expect(wrong.text).toContain("LocalAccountTokenFilterPolicy");
      expect(wrong.text).toMatch(/clock/);
      expect(wrong.text).not.toContain("hunter2");
    }
  });

  it("signs in only under the confirmed certificate", async () => {
    const changed = await told(hypervDriver.open(https({ certificate: "0".repeat(64) } as never), secret()));
    expect(changed.code).toBe("host.key-changed");
    expect(changed.text).toContain(lab.fingerprint);
    const unknown = await told(hypervDriver.open(https({ certificate: null } as never), secret()));
    expect(unknown.code).toBe("host.identity-unconfirmed");
  });

  it("tells an account without rights what it lacks, and a host without Hyper-V", async () => {
    lab.withoutRights = true;
    const denied = await told(hypervDriver.open(http(), secret()));
    expect(denied.code).toBe("host.forbidden");
    expect(denied.text).toContain("Hyper-V Administrators");
    lab.withoutRights = false;
    // Windows hides what an account may not see.
    const [service] = lab.store.all("Msvm_VirtualSystemManagementServiceSettingData");
    lab.store.remove(service!);
    expect((await told(hypervDriver.open(http(), secret()))).code).toBe("host.forbidden");
    lab.store.add(service!.className, service!.values);
    await using again = await hypervDriver.open(http(), secret());
    expect(again.capabilities.acceleration).toBe("hyperv");
  });

  it("tells of a host that has no Hyper-V", async () => {
    lab.store.absent.add("root/virtualization/v2");
    const bare = await told(hypervDriver.open(http(), secret()));
    lab.store.absent.delete("root/virtualization/v2");
    expect(bare.code).toBe("host.no-hyperv");
    expect(bare.text).toContain("Windows 10 and 11");
  });

  it("starts with the disks in their order, whatever the firmware would have chosen", async () => {
    const disks = [0, 1].map(() => plant(`${DISKS}\\${name()}.vhdx`, vhdx));
    const nics = [{ networkRef: lab.seeded.switches.external, model: "netvsc" as const, mac: null }];
    const wish = (bus: "scsi" | "ide") => disks.map((resource) => ({ resource, format: "vhdx" as const, bus }));
    const settings = (vm: Vm) =>
      lab.store.where("Msvm_VirtualSystemSettingData", (values) => values["VirtualSystemIdentifier"] === vm.ref)[0]!
        .values;
    const second = spec({ disks: wish("scsi"), nics });
    const tag = randomUUID();
    const uefi = await adapter.createVm(second, tag);
    const order = (settings(uefi)["BootSourceOrder"] as readonly string[]).map(
      (path) => readObjectPath(path)?.keys["InstanceID"] ?? "",
    );
    // Each source by the drive that it is of, and that by the file in it.
    const files = order.map((source) => {
      const [storage] = lab.store.where(
        "Msvm_StorageAllocationSettingData",
        (values) => `${readObjectPath(String(values["Parent"]))?.keys["InstanceID"] ?? ""}\\B` === source,
      );
      return (storage?.values["HostResource"] as readonly string[] | undefined)?.[0] ?? "network";
    });
    expect(files).toEqual([...disks.map(({ ref }) => ref), "network"]);
    await adapter.remove(adapter.planVm(second, tag));
    const bios = await adapter.createVm(spec({ firmware: "bios", disks: wish("ide"), nics }), randomUUID());
    expect(settings(bios)["BootOrder"]).toEqual([2, 1, 3, 0]);
  });

  it("says that WinRM's quota of shells is reached, and goes on afterwards", async () => {
    lab.shells.most = 0;
    const full = await told(disk());
    expect(full.code).toBe("host.quota");
    expect(full.text).toContain("MaxShellsPerUser");
    lab.shells.most = 30;
    await adapter.remove((await disk()).resource);
  });

  it("lets .NET carry the bytes when curl went away meanwhile, and says when neither is there", async () => {
    lab.programs.missing.add("curl");
    const first = await disk();
    await first.pull(file());
    expect(readFileSync(lab.jail.local(first.resource.ref) ?? "").equals(vhdx)).toBe(true);
    expect((await readAll(await adapter.openResource(first.resource, "vhdx"))).equals(content)).toBe(true);
    await adapter.remove(first.resource);
    lab.programs.missing.add("powershell");
    const third = await disk();
    const from = lab.programs.ran.length;
    expect((await told(third.pull(file()))).code).toBe("host.no-downloader");
    const ran = lab.programs.ran.slice(from);
    expect(ran.some((line) => line.startsWith("curl.exe"))).toBe(true);
    expect(ran.some((line) => line.startsWith("powershell.exe"))).toBe(true);
    await adapter.remove(third.resource);
    expect(leftovers()).toEqual([]);
  });

  describe("in the middle of a transfer", () => {
    it("goes on when the program was killed, both ways", async () => {
      lab.programs.rate = "2M";
      const created = await disk();
      const from = lab.programs.ran.length;
      const sending = created.pull(file());
      await until(() => lab.shells.running > 0);
      await delay(300);
      lab.shells.killPrograms();
      await delay(100);
      lab.programs.rate = null;
      await sending;
      expect(readFileSync(lab.jail.local(created.resource.ref) ?? "").equals(vhdx)).toBe(true);
      expect(lab.programs.ran.slice(from).filter((line) => line.startsWith("curl.exe -q"))).toHaveLength(2);

      lab.programs.rate = "2M";
      const reading = adapter.openResource(created.resource, "vhdx").then(readAll);
      await until(() => lab.shells.running > 0);
      await delay(300);
      lab.shells.killPrograms();
      await delay(100);
      lab.programs.rate = null;
      expect((await reading).equals(content)).toBe(true);
      const last = lab.programs.ran.filter((line) => line.startsWith("curl.exe -q")).at(-1) ?? "";
      expect(Number(/ -C (\d+) -T /.exec(last)?.[1])).toBeGreaterThan(0);
      await adapter.remove(created.resource);
    });

    it("goes on when the connection breaks, and when WinRM restarts", async () => {
      for (const happen of [() => lab.dropConnections(), () => lab.restartWinRm()]) {
        lab.programs.rate = "2M";
        const created = await disk();
        const sending = created.pull(file());
        await until(() => lab.shells.running > 0);
        await delay(300);
        happen();
        lab.programs.rate = null;
        await sending;
        expect(readFileSync(lab.jail.local(created.resource.ref) ?? "").equals(vhdx)).toBe(true);
        await adapter.remove(created.resource);
      }
      expect(leftovers()).toEqual([]);
    });

    it("ends within two seconds when it is cancelled, the program on the host as well", async () => {
      lab.programs.rate = "1M";
      const created = await disk();
      const stop = new AbortController();
      const sending = told(created.pull(file(), stop.signal));
      await until(() => lab.shells.running > 0);
      await delay(200);
      const at = Date.now();
      stop.abort(new AppError("cancelled", "cancelled", "Enough."));
      expect((await sending).code).toBe("cancelled");
      expect(Date.now() - at).toBeLessThan(2000);
      await until(() => lab.shells.running === 0);
      await adapter.remove(created.resource);
      // The other way.
      const vm = await machine();
      const tag = randomUUID();
      const planned = await adapter.planCapture(vm.ref, [vm.disks[0]!.id], tag);
      const opened = await adapter.openDisk(vm.ref, vm.disks[0]!.id, planned);
      await until(() => lab.shells.running > 0);
      await opened[Symbol.asyncDispose]();
      expect(lab.shells.running).toBe(0);
      for (const each of planned.resources) await adapter.remove(each);
      expect(leftovers()).toEqual([]);
      expect(lab.shells.open).toBe(0);
    });

    it("does not take what the storage has changed, nor more than the drive holds", async () => {
      lab.programs.rotten = true;
      const rotten = await disk();
      expect((await told(rotten.pull(file()))).code).toBe("verify.mismatch");
      expect(existsSync(lab.jail.local(rotten.resource.ref) ?? "")).toBe(false);
      await adapter.remove(rotten.resource);
      lab.programs.rotten = false;
      lab.programs.largestFile = MiB;
      const full = await disk();
      expect((await told(full.pull(file()))).code).toBe("pool.full");
      await adapter.remove(full.resource);
      expect(leftovers()).toEqual([]);
      lab.programs.largestFile = null;
      const good = await disk();
      await good.pull(file());
      await adapter.remove(good.resource);
    });

    it("tells why this side could not read on", async () => {
      const created = await disk();
      const broken = {
        length: vhdx.length,
        read: async () => {
          throw new AppError("unprocessable", "image.truncated", "The image ends early.");
        },
      };
      expect((await told(created.pull(broken))).code).toBe("image.truncated");
      await adapter.remove(created.resource);
    });
  });

  describe("while a disk is captured", () => {
    const capture = async (vm: Vm, meanwhile: () => void | Promise<void> = () => undefined) => {
      const tag = randomUUID();
      const id = vm.disks[0]!.id;
      const planned = await adapter.planCapture(vm.ref, [id], tag);
      const reading = (async () => {
        const opened = await adapter.openDisk(vm.ref, id, planned);
        await meanwhile();
        return readAll(opened);
      })();
      const outcome = await told(reading);
      for (const each of [...planned.resources].reverse()) await adapter.remove(each);
      return { outcome, bytes: outcome.code === "no error" ? await reading : null };
    };

    it("says that no checkpoint can be made, and what to do", async () => {
      const vm = await machine();
      await adapter.power(vm.ref, "start");
      lab.snapshots.refusing.set(vm.name, "Production checkpoints cannot be created (0x80070008).");
      const { outcome } = await capture(vm);
      expect(outcome.code).toBe("vm.no-snapshot");
      expect(outcome.text).toContain("0x80070008");
      lab.snapshots.refusing.clear();
      expect((await capture(vm)).bytes?.equals(content)).toBe(true);
      expect((await adapter.vm(vm.ref)).snapshots).toEqual([]);
    });

    it("notices that the machine was started, or removed by somebody else", async () => {
      const vm = await machine();
      const started = await capture(vm, async () => {
        await adapter.power(vm.ref, "start");
        await adapter.power(vm.ref, "stop");
      });
      expect(started.outcome.code).toBe("vm.running");
      const gone = await capture(vm, () => lab.machines.forget(vm.ref));
      expect(gone.outcome.code).toBe("vm.not-found");
      const running = await machine();
      await adapter.power(running.ref, "start");
      expect((await capture(running, () => lab.machines.forget(running.ref))).outcome.code).toBe("vm.not-found");
      expect(leftovers()).toEqual([]);
    });

    it("makes no checkpoint beside fifty others, and reads the disk once the machine is off", async () => {
      const vm = await machine();
      await adapter.power(vm.ref, "start");
      const [current] = lab.store.where(
        "Msvm_VirtualSystemSettingData",
        (values) => values["VirtualSystemIdentifier"] === vm.ref,
      );
      const add = () =>
        lab.store.add("Msvm_VirtualSystemSettingData", {
          ...current!.values,
          InstanceID: `Microsoft:${randomUUID().toUpperCase()}`,
          VirtualSystemType: SNAPSHOT,
        });
      for (let i = 0; i < 49; i += 1) add();
      const id = vm.disks[0]!.id;
      expect((await adapter.planCapture(vm.ref, [id], randomUUID())).ofSnapshot).toBe(true);
      add();
      const full = await told(adapter.planCapture(vm.ref, [id], randomUUID()));
      expect(full.code).toBe("vm.no-snapshot");
      expect(full.text).toContain("50 checkpoints");
      await adapter.power(vm.ref, "stop");
      expect((await capture(await adapter.vm(vm.ref))).bytes?.equals(content)).toBe(true);
    });

    it("merges a chain of older checkpoints into a copy, and removes that", async () => {
      const vm = await machine();
      // Somebody's own checkpoint.
      await lab.snapshots.take(vm.ref, "before the upgrade");
      const chained = await adapter.vm(vm.ref);
      expect(chained.disks[0]?.source).toMatch(/\.avhdx$/);
      const planned = await adapter.planCapture(vm.ref, [chained.disks[0]!.id], "t");
      expect(planned.resources.map(({ kind }) => kind)).toEqual(["disk", "disk"]);
      for (const start of [false, true]) {
        if (start) await adapter.power(vm.ref, "start");
        expect((await capture(await adapter.vm(vm.ref))).bytes?.equals(content)).toBe(true);
        expect(leftovers()).toEqual([]);
        expect((await adapter.vm(vm.ref)).snapshots.map((each) => each.name)).toEqual(["before the upgrade"]);
      }
    });

    it("touches neither of two checkpoints that appear at the same moment", async () => {
      const vm = await machine();
      await adapter.power(vm.ref, "start");
      lab.jobs.takes = 400;
      const capturing = capture(vm);
      await until(() =>
        lab.store.all("Msvm_ConcreteJob").some((job) => job.values["ElementName"] === "CreateSnapshot"),
      );
      await lab.snapshots.take(vm.ref, "a person's own");
      const { outcome } = await capturing;
      lab.jobs.takes = 30;
      expect(outcome.code).toBe("vm.no-snapshot");
      expect(outcome.text).toContain("same moment");
      const left = (await adapter.vm(vm.ref)).snapshots.map(({ name }) => name);
      expect(left).toHaveLength(2);
      expect(left).toContain("a person's own");
    });

    it("finds the checkpoint again after a crash, by the ledger's words alone", async () => {
      const vm = await machine();
      await adapter.power(vm.ref, "start");
      const tag = randomUUID();
      const crashed = await hypervDriver.open(http(), secret());
      const planned = await crashed.planCapture(vm.ref, [vm.disks[0]!.id], tag);
      const opened = await crashed.openDisk(vm.ref, vm.disks[0]!.id, planned);
      expect((await adapter.vm(vm.ref)).snapshots).toHaveLength(1);
      expect(leftovers().length).toBeGreaterThan(0);
      const words = JSON.parse(JSON.stringify(planned.resources)) as ResourceRef[];
      for (const each of words.reverse()) await adapter.remove(each);
      const after = await adapter.vm(vm.ref);
      expect(after.snapshots).toEqual([]);
      expect(after.disks[0]?.source).toBe(vm.disks[0]?.source);
      expect(leftovers()).toEqual([]);
      await opened[Symbol.asyncDispose]();
      await crashed[Symbol.asyncDispose]();
    });

    it("does not leave a checkpoint behind that was being made when it was cancelled", async () => {
      const vm = await machine();
      await adapter.power(vm.ref, "start");
      lab.jobs.takes = 800;
      const tag = randomUUID();
      const planned = await adapter.planCapture(vm.ref, [vm.disks[0]!.id], tag);
      const stop = new AbortController();
      const opening = told(adapter.openDisk(vm.ref, vm.disks[0]!.id, planned, stop.signal));
      await until(() =>
        lab.store
          .all("Msvm_ConcreteJob")
          .some((job) => job.values["ElementName"] === "CreateSnapshot" && job.values["JobState"] === 4),
      );
      const at = Date.now();
      stop.abort(new AppError("cancelled", "cancelled", "Enough."));
      expect((await opening).code).toBe("cancelled");
      expect(Date.now() - at).toBeLessThan(2000);
      for (const each of [...planned.resources].reverse()) await adapter.remove(each);
      expect((await adapter.vm(vm.ref)).snapshots).toEqual([]);
    });
  });

  describe("in the middle of an order", () => {
    it("tells of a job that fails in the host's words, and of one that stands still", async () => {
      const vm = await machine();
      lab.jobs.failing.set("Start", "Not enough memory in the system to start the virtual machine.");
      const failed = await told(adapter.power(vm.ref, "start"));
      expect(failed.code).toBe("host.refused");
      expect(failed.text).toContain("Not enough memory");
      lab.jobs.failing.clear();
      lab.jobs.stuck.add("Start");
      await using hasty = await makeHypervDriver(700).open(http(), secret());
      expect((await told(hasty.power(vm.ref, "start"))).code).toBe("host.timeout");
      // A machine that only takes long goes on with its start; whoever gives up takes the job along.
      const last = () => lab.store.all("Msvm_ConcreteJob").at(-1)?.values["JobState"];
      await told(adapter.power(vm.ref, "start", AbortSignal.timeout(300)));
      expect(last()).toBe(4);
      const cancelled = new AbortController();
      setTimeout(() => cancelled.abort(new AppError("cancelled", "cancelled", "Enough.")), 300);
      await told(adapter.power(vm.ref, "start", cancelled.signal));
      expect(last()).toBe(8);
      lab.jobs.stuck.clear();
      await adapter.power(vm.ref, "start");
      expect((await adapter.vm(vm.ref)).state).toBe("running");
    });

    it("signs in anew when a connection broke, also under a question", async () => {
      const vm = await machine();
      for (const way of [http(), https()]) {
        await using open = await hypervDriver.open(way, secret());
        lab.breakNext(1);
        expect((await open.vm(vm.ref)).name).toBe(vm.name);
        lab.dropConnections();
        expect((await open.vm(vm.ref)).name).toBe(vm.name);
      }
    });

    it("follows the host through a restart of WinRM, and catches up", async () => {
      await using watcher = await hypervDriver.open(http(), secret());
      const stop = new AbortController();
      const seen: InventoryChange[] = [];
      const watching = (async () => {
        for await (const change of watcher.watch(stop.signal)) seen.push(change);
      })();
      await until(() => seen.some((change) => change.type === "put" && change.item.kind === "vm"));
      lab.restartWinRm();
      const made = await machine();
      await until(() => seen.some((change) => change.type === "put" && change.item.ref === made.ref));
      lab.restartWinRm();
      lab.machines.forget(made.ref);
      await until(() => seen.some((change) => change.type === "gone" && change.ref === made.ref));
      stop.abort();
      await watching;
    });

    it("lets one of two deploys of a name have it", async () => {
      await using other = await hypervDriver.open(https(), secret());
      for (let round = 0; round < 3; round += 1) {
        const wanted = spec({ nics: [] });
        const tags = [randomUUID(), randomUUID()];
        const codes = await Promise.all([
          told(adapter.createVm(wanted, tags[0]!)),
          told(other.createVm(wanted, tags[1]!)),
        ]);
        expect(codes.map(({ code }) => code).sort()).toEqual(["no error", "vm.exists"]);
        const there = lab.store.where("Msvm_ComputerSystem", (values) => values["ElementName"] === wanted.name);
        expect(there).toHaveLength(1);
        for (const tag of tags) await adapter.remove(adapter.planVm(wanted, tag));
      }
    });

    it("makes a machine anew of which an earlier attempt has made the half", async () => {
      const resource = plant(`${DISKS}\\${name()}.vhdx`, vhdx);
      const wanted = spec({ disks: [{ resource, format: "vhdx", bus: "scsi" }] });
      const tag = randomUUID();
      const missing = { ...resource, ref: `${DISKS}\\not-there.vhdx` };
      const half = await told(
        adapter.createVm({ ...wanted, disks: [{ resource: missing, format: "vhdx", bus: "scsi" }] }, tag),
      );
      expect(half.code).toBe("host.refused");
      const vm = await adapter.createVm(wanted, tag);
      expect(vm.disks[0]?.source).toBe(resource.ref);
      expect(lab.store.where("Msvm_ComputerSystem", (v) => v["ElementName"] === wanted.name)).toHaveLength(1);
      await adapter.remove(adapter.planVm(wanted, tag));
    });
  });

  it("takes long and odd names, and reads disks from odd folders", async () => {
    const odd = ["Ö'Brien's \"web\" \\ 100 % & <Ω>; $(x) `y` 日本", "n".repeat(80)];
    for (const each of odd) {
      const wanted = spec({ name: each });
      const tag = randomUUID();
      expect((await adapter.createVm(wanted, tag)).name).toBe(each);
      expect((await told(adapter.createVm(wanted, randomUUID()))).code).toBe("vm.exists");
      await adapter.remove(adapter.planVm(wanted, tag));
    }
    const vm = await machine({}, "D:\\O'Brien’s VMs (old) & co\\a disk.vhdx");
    for (const missing of ["none", "curl"]) {
      lab.programs.missing.add(missing);
      const plan = await adapter.planCapture(vm.ref, [vm.disks[0]!.id], randomUUID());
      expect((await readAll(await adapter.openDisk(vm.ref, vm.disks[0]!.id, plan))).equals(content)).toBe(true);
    }
    const hostile = await machine({}, "D:\\100 %PATH%\\a.vhdx");
    const plan = await adapter.planCapture(hostile.ref, [hostile.disks[0]!.id], randomUUID());
    const refused = await told(adapter.openDisk(hostile.ref, hostile.disks[0]!.id, plan));
    expect(refused.code).toBe("host.bad-path");
  });
});
