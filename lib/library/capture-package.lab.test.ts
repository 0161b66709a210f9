/** Whole VMs of a XenServer pool as XVA: what arrives, and what is left when it does not. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { whyNoXvaImg } from "#e2e/lab/xapi/clients/clients.ts";
import { whyNoXapi, XapiSimulator } from "#e2e/lab/xapi/simulator.ts";
import { fingerprintFile } from "#lib/disk/file-conversion.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import type { HostConnection } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import type { CapturePlan, HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { analyseFiles } from "./analyse-files.ts";
import { capturePackage } from "./capture-package.ts";

const MIB = 1_048_576;
const reason = whyNoXapi();
const xvaImg = whyNoXvaImg();
const soon = (test: () => boolean) => expect.poll(test, { interval: 5, timeout: 5000 }).toBe(true);
const never = (): AbortSignal => new AbortController().signal;

describe.skipIf(reason !== null)(`a whole VM as XVA${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: XapiSimulator;
  let target: HostConnection;
  let adapter: HypervisorAdapter;
  let scratch: Scratch;
  /** A VM with two disks of the shared repository. */
  let vm: string;
  let disks: string[];
  let folder: string;

  const uuid = (ref: string): string => String(lab.db.get("VM", ref)["uuid"]);
  /** The pool has begun to send. */
  const exporting = (): boolean =>
    lab.db.refs("VM", ({ current_operations: now }) => Object.values(now ?? {}).includes("export")).length > 0;

  /** With noise in the places that are named: the first disk's and the second's, in mebibytes. */
  function makeVm(name: string, sr: string, places: readonly (readonly number[])[]): string {
    const ref = lab.machines.clone(lab.seeded.vm, name);
    lab.db.update("VM", ref, { is_a_template: false });
    for (const vbd of lab.db.refs("VBD", (each) => each["VM"] === ref)) lab.db.remove("VBD", vbd);
    lab.db.update("VM", ref, { VBDs: [] });
    for (const [i, data] of places.entries()) {
      const disk = lab.storage.createDisk({ SR: sr, name_label: `${name} ${i}`, virtual_size: (8 + 4 * i) * MIB });
      const fd = openSync(lab.storage.path(disk), "r+");
      for (const at of data) writeSync(fd, Buffer.alloc(300_000, `${name} ${i} ${at} `), 0, 300_000, at * MIB);
      closeSync(fd);
      const more = { bootable: i === 0, mode: "RW", type: "Disk", empty: false };
      lab.machines.attachDisk({ VM: ref, VDI: disk, userdevice: String(i), ...more });
    }
    lab.storage.scan(sr);
    return ref;
  }
  const filesOf = (ref: string): string[] =>
    lab.db
      .refs("VBD", (each) => each["VM"] === ref && each["type"] === "Disk")
      .sort((a, b) => Number(lab.db.get("VBD", a)["userdevice"]) - Number(lab.db.get("VBD", b)["userdevice"]))
      .map((vbd) => lab.storage.path(String(lab.db.get("VBD", vbd)["VDI"])));

  async function planned(ref: string): Promise<CapturePlan> {
    const { disks: all } = await adapter.vm(uuid(ref));
    return adapter.planCapture(
      uuid(ref),
      all.map(({ id }) => id),
      randomUUID(),
    );
  }
  async function undo(plan: CapturePlan): Promise<void> {
    for (const resource of [...plan.resources].reverse()) await adapter.remove(resource);
  }
  const capture = (ref: string, plan: CapturePlan, more: { signal?: AbortSignal; free?: number } = {}) =>
    capturePackage(
      {
        target,
        secret: { password: lab.password },
        dataDir: folder,
        vmRef: uuid(ref),
        kind: "xva",
        plan,
        folder,
        fileName: "vm.xva",
        free: more.free ?? 2 ** 40,
      },
      more.signal ?? never(),
      () => undefined,
    );
  const snapshots = (): string[] => lab.db.refs("VM", (each) => each["is_a_snapshot"] === true);

  /** Nothing in the folder, no snapshot, no disk of one, no task. */
  async function expectNothing(plan: CapturePlan): Promise<void> {
    await undo(plan);
    expect(readdirSync(folder)).toEqual([]);
    expect(snapshots()).toEqual([]);
    expect(lab.db.refs("VDI", (each) => each["is_a_snapshot"] === true)).toEqual([]);
    expect(lab.db.refs("task")).toEqual([]);
  }
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "no error",
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );

  beforeAll(async () => {
    lab = await XapiSimulator.start();
    lab.tasks.latencyMs = 5;
    const [first] = lab.members;
    target = {
      driver: "xapi",
      connection: {
        transport: "https",
        host: first!.address,
        port: lab.port,
        user: lab.user,
        certificate: first!.fingerprint,
        caCertificate: null,
      },
    };
    adapter = await openHost(target, { password: lab.password });
    scratch = new Scratch();
    vm = makeVm("two disks", lab.seeded.shared, [
      [0, 5],
      [3, 11],
    ]);
    disks = filesOf(vm);
  });
  beforeEach(() => {
    if (lab.db.get("VM", vm)["power_state"] !== "Halted") lab.machines.halt(vm);
    lab.tasks.faults.length = 0;
    folder = scratch.path(randomUUID());
    mkdirSync(folder);
  });
  afterAll(async () => {
    await adapter[Symbol.asyncDispose]();
    lab.stop();
    scratch[Symbol.dispose]();
  });

  async function expectWhole(sources: readonly string[]): Promise<void> {
    const input = { folder, fileNames: ["vm.xva"], apart: null, said: null, free: 2 ** 40 };
    const analysis = await analyseFiles(input, never(), () => undefined);
    expect(analysis.hints).toMatchObject({ cpus: 2, memory: 1024 ** 3, bus: "xen" });
    expect(analysis.disks.map(({ fingerprint }) => fingerprint)).toEqual(
      await Promise.all(sources.map((path) => fingerprintFile(path))),
    );
    if (xvaImg !== null) return;
    const inside = join(folder, "inside");
    mkdirSync(inside);
    execFileSync("tar", ["-x", "-C", inside, "-f", join(folder, "vm.xva")]);
    for (const [i, { entry }] of analysis.disks.entries()) {
      const raw = join(folder, `${i}.raw`);
      execFileSync("xva-img", ["-p", "disk-export", join(inside, entry ?? ""), raw], { stdio: "pipe" });
      execFileSync("qemu-img", ["compare", "-f", "raw", "-F", "raw", sources[i] ?? "", raw], { stdio: "pipe" });
    }
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
  }

  it("arrives with all disks of a VM that is off, and nothing is made on the pool", async () => {
    const plan = await planned(vm);
    expect(plan).toMatchObject({ ofSnapshot: false, resources: [] });
    await capture(vm, plan);
    await expectWhole(disks);
    await expectNothing(plan);
  });

  it("of a VM that runs is one of its snapshot, in which later writes are not", async () => {
    lab.machines.start(vm, false);
    const plan = await planned(vm);
    expect(plan.resources).toHaveLength(1);
    const before = await Promise.all(disks.map((path) => fingerprintFile(path)));
    lab.tasks.faults.push({ method: "export", delay: 60 });
    const capturing = capture(vm, plan);
    await soon(exporting);
    const fd = openSync(disks[1]!, "r+");
    writeSync(fd, Buffer.alloc(4096, "later "), 0, 4096, 11 * MIB);
    closeSync(fd);
    await capturing;
    const input = { folder, fileNames: ["vm.xva"], apart: null, said: null, free: 2 ** 40 };
    const { disks: found } = await analyseFiles(input, never(), () => undefined);
    expect(found.map(({ fingerprint }) => fingerprint)).toEqual(before);
    rmSync(join(folder, "vm.xva"));
    await expectNothing(plan);
  });

  it("comes from the member that reaches the storage", async () => {
    const local = makeVm("local to xen2", lab.seeded.onSlave, [[1], [2]]);
    const plan = await planned(local);
    await capture(local, plan);
    await expectWhole(filesOf(local));
    await expectNothing(plan);
  });

  it.each([
    ["ends early, and only the task knows", { afterBytes: 2 * MIB, fail: ["VDI_IO_ERROR", "x"] }, "host.refused"],
    ["is cut off in the middle", { afterBytes: 2 * MIB, cut: true }, "host.refused"],
    ["is cancelled by somebody on the pool", { afterBytes: 2 * MIB, fail: ["TASK_CANCELLED"] }, "host.refused"],
  ])("leaves nothing when it %s", async (_what, fault, code) => {
    for (const running of [false, true]) {
      if (running) lab.machines.start(vm, false);
      const plan = await planned(vm);
      lab.tasks.faults.push({ method: "export", ...fault });
      expect(await codeOf(capture(vm, plan))).toBe(code);
      await expectNothing(plan);
    }
  });

  it("leaves nothing when every connection breaks", async () => {
    lab.machines.start(vm, false);
    const plan = await planned(vm);
    lab.tasks.faults.push({ method: "export", delay: 500 });
    const capturing = codeOf(capture(vm, plan));
    await soon(exporting);
    lab.dropConnections();
    expect(await capturing).toMatch(/^host\.(unreachable|refused)$/);
    await expectNothing(plan);
  });

  it("stops within two seconds when it is told to, on the pool too", async () => {
    lab.machines.start(vm, false);
    const plan = await planned(vm);
    lab.tasks.faults.push({ method: "export", delay: 500 });
    const stop = new AbortController();
    const capturing = codeOf(capture(vm, plan, { signal: stop.signal }));
    await soon(exporting);
    const at = Date.now();
    stop.abort(new AppError("cancelled", "cancelled", "Enough."));
    expect(await capturing).toBe("cancelled");
    expect(Date.now() - at).toBeLessThan(2000);
    await expectNothing(plan);
  });

  it("refuses a VM that was started since, before or while it is read", async () => {
    const plan = await planned(vm);
    lab.machines.start(vm, false);
    expect(await codeOf(capture(vm, plan))).toBe("vm.running");
    await expectNothing(plan);
    lab.machines.halt(vm);
    lab.tasks.faults.push({ method: "export", delay: 100 });
    const capturing = codeOf(capture(vm, plan));
    await soon(exporting);
    // The pool refuses it, as long as all goes by its rules.
    expect(await codeOf(adapter.power(uuid(vm), "start"))).toBe("host.refused");
    lab.db.update("VM", vm, { power_state: "Running" });
    expect(await capturing).toBe("vm.running");
    await expectNothing(plan);
  });

  it("tells of a VM that was removed, and of a library that is full", async () => {
    const brief = makeVm("brief", lab.seeded.shared, [[1], [1]]);
    lab.machines.start(brief, false);
    const plan = await planned(brief);
    const id = uuid(brief);
    await adapter.openDisk(id, "0", plan).then((opened) => opened[Symbol.asyncDispose]());
    expect(snapshots()).toHaveLength(1);
    lab.machines.halt(brief);
    const gone = capturePackage.bind(null, {
      target,
      secret: { password: lab.password },
      dataDir: folder,
      vmRef: id,
      kind: "xva",
      plan,
      folder,
      fileName: "vm.xva",
      free: 2 ** 40,
    });
    lab.machines.destroy(brief);
    expect(await codeOf(gone(never(), () => undefined))).toBe("vm.not-found");
    await expectNothing(plan);

    lab.machines.start(vm, false);
    const full = await planned(vm);
    expect(await codeOf(capture(vm, full, { free: 256 * MIB + 2 * MIB }))).toBe("library.full");
    await expectNothing(full);
  });
});
