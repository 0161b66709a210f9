/** What goes wrong with a pool: each time a typed error, nothing half-made, and no secret in what is said. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNoXapi, XapiSimulator } from "#e2e/lab/xapi/simulator.ts";
import type { DiskStream } from "#lib/disk/disk-stream.ts";
import { dataParts } from "#lib/disk/zeros.ts";
import type { XapiConnection } from "#lib/domain/connection/xapi.ts";
import type { InventoryChange, InventoryItem } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import type { CreatedDisk, DiskSpec, HostDisk, HypervisorAdapter, VmSpec } from "../adapter.ts";
import { makeXapiDriver, xapiDriver } from "./driver.ts";

const run = promisify(execFile);
const reason = whyNoXapi();
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const TiB = 1024 ** 4;

interface Told {
  readonly code: string;
  readonly text: string;
  readonly fingerprint: unknown;
}

async function told(work: Promise<unknown>): Promise<Told> {
  return work.then(
    () => ({ code: "no error", text: "", fingerprint: null }),
    (error: unknown) =>
      error instanceof AppError
        ? {
            code: error.code,
            text: JSON.stringify([error.message, error.hint, error.details]),
            fingerprint: error.details?.["fingerprint"],
          }
        : { code: `not an AppError: ${String(error)}`, text: "", fingerprint: null },
  );
}

function sinkOf(created: CreatedDisk) {
  if (!("sink" in created)) throw new Error("the disk takes no bytes");
  return created.sink;
}

async function readAll(opened: HostDisk): Promise<Buffer> {
  await using held = opened;
  const stream: DiskStream | null = held.access === "once" ? held.stream : null;
  if (stream === null) throw new Error("not an export");
  const bytes = Buffer.alloc(stream.size);
  for await (const piece of stream.pieces()) bytes.set(piece.bytes, piece.offset);
  return bytes;
}

describe.skipIf(reason !== null)(
  `bad days of a XenServer pool${reason === null ? "" : ` (skipped: ${reason})`}`,
  () => {
    let lab: XapiSimulator;
    let adapter: HypervisorAdapter;
    const hasty = makeXapiDriver(1200);

    const at = (member: number, more: Partial<XapiConnection> = {}): XapiConnection => ({
      transport: "https",
      host: lab.members[member]!.address,
      port: lab.port,
      user: lab.user,
      certificate: lab.members[0]!.fingerprint,
      caCertificate: null,
      ...more,
    });
    const secret = () => ({ password: lab.password });
    const uuid = (name: string, ref: string) => String(lab.db.get(name, ref)["uuid"]);
    const spec = (pool: string, more: Partial<DiskSpec> = {}): DiskSpec => ({
      poolRef: uuid("SR", pool),
      name: `disk-${randomUUID().slice(0, 8)}`,
      format: "raw",
      virtualSize: 32 * MiB,
      fileLength: 32 * MiB,
      placement: {},
      ...more,
    });
    const filled = async (pool: string, more: Partial<DiskSpec> = {}) => {
      const created = await adapter.createDisk(spec(pool, more));
      await using sink = sinkOf(created);
      await sink.write(4 * MiB, Buffer.alloc(MiB, "late "));
      await sink.write(0, Buffer.alloc(MiB, "early "));
      await sink.commit(32 * MiB);
      return created.resource;
    };
    const vdis = (pool: string) => lab.db.refs("VDI", (each) => each["SR"] === pool);
    const vmSpec = (more: Partial<VmSpec> = {}): VmSpec => ({
      name: `vm-${randomUUID().slice(0, 8)}`,
      cpus: 1,
      memory: 256 * MiB,
      firmware: "bios",
      secureBoot: false,
      guest: null,
      placement: {},
      disks: [],
      nics: [{ networkRef: uuid("network", lab.seeded.network), model: "netfront", mac: "52:54:00:aa:bb:cc" }],
      description: "",
      ...more,
    });

    beforeAll(async () => {
      lab = await XapiSimulator.start();
      lab.tasks.latencyMs = 5;
      adapter = await xapiDriver.open(at(0), secret());
    });
    afterAll(async () => {
      await adapter[Symbol.asyncDispose]();
      lab.stop();
    });

    describe("who is asked", () => {
      it("refuses a wrong password, and says it without the password", async () => {
        const wrong = await told(xapiDriver.open(at(0), { password: "hunter2hunter2" }));
        expect(wrong.code).toBe("host.auth-failed");
        expect(wrong.text).not.toContain("hunter2");
      });

      it("signs in only under the confirmed certificate, by the address of a slave too", async () => {
        const master = lab.members[0]!.fingerprint;
        const { stdout } = await run("openssl", [
          "x509",
          "-noout",
          "-fingerprint",
          "-sha256",
          "-in",
          lab.members[0]!.certificateFile,
        ]);
        expect(stdout.split("=")[1]?.trim().replaceAll(":", "").toLowerCase()).toBe(master);
        for (const member of [0, 1])
          expect(await xapiDriver.identify(at(member, { certificate: null }))).toEqual({
            kind: "tls-certificate",
            fingerprint: master,
          });
        expect(await told(xapiDriver.open(at(0, { certificate: null }), secret()))).toMatchObject({
          code: "host.identity-unconfirmed",
          fingerprint: master,
        });
        expect(await told(xapiDriver.open(at(0, { certificate: "0".repeat(64) }), secret()))).toMatchObject({
          code: "host.key-changed",
          fingerprint: master,
        });
        // The slave's own certificate says nothing about the master's.
        const slave = lab.members[1]!.fingerprint;
        expect(await told(xapiDriver.open(at(1, { certificate: slave }), secret()))).toMatchObject({
          code: "host.key-changed",
          fingerprint: master,
        });
      });

      it("trusts a CA for every member", async () => {
        const ca = readFileSync(lab.members[0]!.certificateFile, "utf8");
        await using open = await xapiDriver.open(at(0, { certificate: null, caCertificate: ca }), secret());
        expect(open.capabilities.acceleration).toBe("xen");
        expect((await told(xapiDriver.open(at(1, { certificate: null, caCertificate: ca }), secret()))).code).toBe(
          "host.identity-unconfirmed",
        );
      });

      it("knows a server that is no XenServer, and one that is not there", async () => {
        const file = lab.members[0]!.certificateFile;
        const other = createServer(
          { cert: readFileSync(file), key: readFileSync(file.replace(/pem$/, "key")) },
          (_q, s) => {
            s.end("<html>hello</html>");
          },
        );
        await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
        const { port } = other.address() as AddressInfo;
        expect((await told(xapiDriver.open(at(0, { port }), secret()))).code).toBe("host.not-xapi");
        other.close();
        expect((await told(xapiDriver.open(at(0, { port: 1 }), secret()))).code).toBe("host.unreachable");
      });
    });

    it("tells the inventory as the pool has it", async () => {
      const { machines, seeded } = lab;
      machines.start(seeded.vm, false);
      machines.reportGuest(
        seeded.vm,
        { name: "Debian GNU/Linux 12 (bookworm)|/dev/xvda1", distro: "debian" },
        { "0/ip": "10.0.0.7", "0/ipv4/0": "10.0.0.7", "0/ipv6/0": "fe80::1" },
      );
      await machines.snapshot(seeded.vm, "before the upgrade");
      const items: InventoryItem[] = [];
      for await (const item of adapter.inventory()) items.push(item);
      expect(items[0]).toMatchObject({ kind: "host", name: "Lab pool", product: "XenServer pool of 3", cpus: 32 });
      expect(items.filter((item) => item.kind === "vm").map((vm) => vm.name)).toEqual(["web01"]);
      expect(items.find((item) => item.kind === "vm")).toMatchObject({
        state: "running",
        cpus: 2,
        firmware: "bios",
        guestOs: "Debian GNU/Linux 12 (bookworm)",
        disks: [{ id: "0", capacity: 64 * MiB, format: "vhd", captureBlocker: null }],
        nics: [
          { id: "0", networkName: "Pool-wide network associated with eth0", addresses: ["10.0.0.7", "fe80::1"] },
          { id: "1", networkName: "Host internal" },
        ],
        snapshots: [{ name: "before the upgrade", state: "running", current: true }],
        tag: null,
      });
      const pools = items.filter((item) => item.kind === "pool");
      expect(pools.find((pool) => pool.name === "NFS storage")).toMatchObject({ type: "nfs, thin", writable: true });
      expect(pools.find((pool) => pool.name === "Local LVM")).toMatchObject({ type: "lvm, thick", free: 256 * MiB });
      expect(pools.find((pool) => pool.name === "ISO library")?.writable).toBe(false);
      const plan = await adapter.planCapture(uuid("VM", seeded.vm), ["0"], "t");
      expect(plan).toMatchObject({ ofSnapshot: true, resources: [{ kind: "snapshot", ref: "t" }] });
      machines.halt(seeded.vm);
    });

    it("shows the pool's own limits and members to choose from", () => {
      expect(adapter.capabilities.limits).toMatchObject({ maxCpus: 64, maxDisks: 240, maxNics: 7 });
      expect(adapter.capabilities.placements[0]?.options.map((option) => option.label)).toEqual([
        "Any member of the pool",
        "xen1",
        "xen2",
      ]);
      expect(adapter.capabilities.canStartVms).toBe(true);
    });

    it("writes what was asked for, sparse, and VHD files that qemu-img takes", async () => {
      const expected = Buffer.alloc(32 * MiB);
      expected.fill("early ", 0, MiB);
      expected.fill("late ", 4 * MiB, 5 * MiB);
      const raw = await filled(lab.seeded.shared);
      const vdi = vdis(lab.seeded.shared).find((ref) =>
        raw.ref.endsWith(String(lab.db.get("VDI", ref)["name_label"])),
      )!;
      expect(statSync(lab.storage.path(vdi)).blocks * 512).toBeLessThan(4 * MiB);
      expect((await readAll(await adapter.openResource(raw, "raw"))).equals(expected)).toBe(true);
      // A repository whose disks are no VHDs is read raw.
      const plain = lab.storage.addRepository({
        name: "ZFS",
        type: "zfs",
        size: 1024 * MiB,
        hosts: [lab.seeded.hosts[0]!],
      });
      const there = await filled(plain, { virtualSize: 32 * MiB - 512 });
      const back = await readAll(await adapter.openResource(there, "raw"));
      expect(back.equals(expected.subarray(0, 32 * MiB - 512))).toBe(true);

      const [file, vhd] = [join(lab.folder, "d.raw"), join(lab.folder, "d.vhd")];
      writeFileSync(file, expected);
      await run("qemu-img", ["convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", file, vhd]);
      const bytes = readFileSync(vhd);
      const created = await adapter.createDisk(spec(lab.seeded.shared, { format: "vhd", fileLength: bytes.length }));
      {
        await using sink = sinkOf(created);
        // Zeros between two writes are sent as such.
        for (const [start, end] of dataParts(bytes, 0, 4096)) await sink.write(start, bytes.subarray(start, end));
        await sink.commit(bytes.length);
      }
      expect((await readAll(await adapter.openResource(created.resource, "vhd"))).equals(expected)).toBe(true);
      for (const each of [raw, there, created.resource]) await adapter.remove(each);
    });

    describe("in the middle of something", () => {
      it("signs in again when the session is gone, and catches up", async () => {
        await using watcher = await xapiDriver.open(at(0), secret());
        const stop = new AbortController();
        const seen: InventoryChange[] = [];
        const watching = (async () => {
          for await (const change of watcher.watch(stop.signal)) seen.push(change);
        })();
        const sees = async (test: (change: InventoryChange) => boolean) => {
          for (let i = 0; i < 80 && !seen.some(test); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
          expect(seen.some(test)).toBe(true);
        };
        await sees((change) => change.type === "put" && change.item.kind === "vm");
        lab.dropSessions();
        const made = await adapter.createVm(vmSpec(), randomUUID());
        await sees((change) => change.type === "put" && change.item.ref === made.ref);
        // Events that nobody can tell any more: what went away meanwhile is found by comparing.
        lab.machines.destroy(lab.db.refs("VM", (vm) => vm["uuid"] === made.ref)[0]!);
        lab.db.forgetEvents();
        await sees((change) => change.type === "gone" && change.ref === made.ref);
        stop.abort();
        await watching;
      });

      it("follows the pool when the slave becomes its master during a call", async () => {
        await using open = await xapiDriver.open(at(0), secret());
        const vm = uuid("VM", lab.seeded.vm);
        lab.tasks.latencyMs = 300;
        const starting = open.power(vm, "start");
        await new Promise((resolve) => setTimeout(resolve, 100));
        lab.designateMaster(1);
        await starting;
        expect((await open.vm(vm)).state).toBe("running");
        // Whoever comes anew by the old address needs a person's word for the new master.
        expect(await told(xapiDriver.open(at(0), secret()))).toMatchObject({
          code: "host.key-changed",
          fingerprint: lab.members[1]!.fingerprint,
        });
        lab.designateMaster(0);
        await open.power(vm, "stop");
        lab.tasks.latencyMs = 5;
        expect((await open.vm(vm)).state).toBe("stopped");
      });

      it("says that a repository ran full at nine tenths, and takes back what was made", async () => {
        const pool = lab.storage.addRepository({
          name: "Small",
          type: "ext",
          size: 64 * MiB,
          hosts: [lab.seeded.hosts[0]!],
        });
        lab.storage.occupy(pool, 56 * MiB);
        const created = await adapter.createDisk(spec(pool));
        const sink = sinkOf(created);
        const writing = (async () => {
          for (let i = 0; i < 32; i += 1) await sink.write(i * MiB, Buffer.alloc(MiB, 1));
          await sink.commit(32 * MiB);
        })();
        expect((await told(writing)).code).toBe("pool.full");
        await sink[Symbol.asyncDispose]();
        await adapter.remove(created.resource);
        expect(vdis(pool)).toEqual([]);
        // Thick repositories say it before a byte is sent.
        const thick = await told(adapter.createDisk(spec(lab.seeded.thick, { virtualSize: 512 * MiB })));
        expect(thick.code).toBe("pool.full");
        expect(vdis(lab.seeded.thick)).toEqual([]);
      });

      it("gives a task up that stays pending for ever", async () => {
        await using open = await hasty.open(at(0), secret());
        await open.power(uuid("VM", lab.seeded.vm), "start");
        lab.tasks.faults.push({ method: "VM.pause", stayPending: true });
        expect((await told(open.power(uuid("VM", lab.seeded.vm), "pause"))).code).toBe("host.timeout");
        await open.power(uuid("VM", lab.seeded.vm), "stop");
        lab.tasks.faults.push({ method: "import", stayPending: true });
        const wanted = spec(lab.seeded.shared);
        const created = await open.createDisk(wanted);
        const sink = sinkOf(created);
        await sink.write(0, Buffer.alloc(MiB, 1));
        expect((await told(sink.commit(32 * MiB))).code).toBe("host.timeout");
        await sink[Symbol.asyncDispose]();
        await open.remove(created.resource);
        expect(await open.planDisk(wanted)).toEqual(created.resource);
        expect(lab.db.refs("task", (task) => task["status"] === "pending")).toEqual([]);
      });

      it("waits for a guest that goes down slowly, of which its task says nothing", async () => {
        await using open = await hasty.open(at(0), secret());
        const vm = uuid("VM", lab.seeded.vm);
        await open.power(vm, "start");
        lab.machines.reportGuest(lab.seeded.vm, {}, {});
        lab.tasks.faults.push({ method: "VM.clean_shutdown", delay: 2500 });
        await open.power(vm, "shutdown");
        expect((await open.vm(vm)).state).toBe("stopped");
      });

      it("lets a start go on for which nobody waits any longer", async () => {
        const vm = uuid("VM", lab.seeded.vm);
        lab.tasks.faults.push({ method: "VM.start", delay: 400 });
        await expect(adapter.power(vm, "start", AbortSignal.timeout(100))).rejects.toMatchObject({
          name: "TimeoutError",
        });
        const running = () => lab.db.get("VM", lab.seeded.vm)["power_state"] === "Running";
        for (let i = 0; i < 100 && !running(); i += 1) await lab.db.change(100);
        expect(running()).toBe(true);
        await adapter.power(vm, "stop");
        for (const task of lab.db.refs("task")) lab.tasks.destroy(task);
      });

      it("tells the task's reason where the bulk handler says only that it failed", async () => {
        const resource = await filled(lab.seeded.shared);
        const wanted = vmSpec({ disks: [{ resource, format: "raw", bus: "xen" }] });
        const tag = randomUUID();
        const vm = await adapter.createVm(wanted, tag);
        await adapter.power(vm.ref, "start");
        const busy = await told((async () => readAll(await adapter.openResource(resource, "raw")))());
        expect(busy.code).toBe("host.refused");
        expect(busy.text).toContain("VDI_IN_USE");
        await adapter.remove(adapter.planVm(wanted, tag));
        await adapter.remove(resource);
      });

      it("says whom it was sent to when that member does not answer, or is none of the pool", async () => {
        const wanted = spec(lab.seeded.onDead);
        const dead = await told(adapter.createDisk(wanted));
        expect(dead.code).toBe("host.unreachable");
        expect(dead.text).toContain("127.0.0.3");
        await adapter.remove(await plannedBefore(wanted));
        expect(vdis(lab.seeded.onDead)).toEqual([]);
        lab.db.update("host", lab.seeded.hosts[2]!, { address: "127.0.0.9" });
        const stranger = await told(adapter.createDisk(wanted));
        expect(stranger.code).toBe("host.redirect-refused");
        lab.db.update("host", lab.seeded.hosts[2]!, { address: "127.0.0.3" });
        await adapter.remove(await plannedBefore(wanted));
        expect(vdis(lab.seeded.onDead)).toEqual([]);
      });

      const plannedBefore = async (wanted: DiskSpec) => ({
        kind: "disk" as const,
        ref: `${wanted.poolRef}/${wanted.name}`,
        label: wanted.name,
      });

      it("tells a cut upload from one that the host refused", async () => {
        for (const [fault, code] of [
          [{ cut: true }, "host.refused"],
          [{ fail: ["LICENCE_RESTRICTION", "x"] }, "host.refused"],
          [{ fail: ["SR_BACKEND_FAILURE_44", "", "There is insufficient space"] }, "pool.full"],
        ] as const) {
          lab.tasks.faults.push({ method: "import", afterBytes: 2 * MiB, ...fault });
          const created = await adapter.createDisk(spec(lab.seeded.shared));
          const sink = sinkOf(created);
          const writing = (async () => {
            for (let i = 0; i < 32; i += 1) await sink.write(i * MiB, Buffer.alloc(MiB, 1));
            await sink.commit(32 * MiB);
          })();
          expect((await told(writing)).code).toBe(code);
          await sink[Symbol.asyncDispose]();
          await adapter.remove(created.resource);
        }
      });

      it("knows an export that ends early, as VHD and as raw", async () => {
        const plain = lab.db.refs("SR", (sr) => sr["type"] === "zfs")[0]!;
        for (const pool of [lab.seeded.shared, plain]) {
          const resource = await filled(pool);
          lab.tasks.faults.push({ method: "export", afterBytes: MiB, fail: ["VDI_IO_ERROR", "Device I/O errors"] });
          const cut = await told((async () => readAll(await adapter.openResource(resource, "raw")))());
          expect(cut.code).toBe("host.refused");
          await adapter.remove(resource);
        }
        expect(lab.db.refs("task")).toEqual([]);
      });

      it("stops within two seconds when it is told to, and leaves what can be removed", async () => {
        const stop = new AbortController();
        const created = await adapter.createDisk(spec(lab.seeded.shared), stop.signal);
        const sink = sinkOf(created);
        await sink.write(0, Buffer.alloc(MiB, 1), stop.signal);
        const reasonGiven = new AppError("cancelled", "cancelled", "The work was cancelled.");
        const began = Date.now();
        stop.abort(reasonGiven);
        expect((await told(sink.write(MiB, Buffer.alloc(MiB, 1), stop.signal))).code).toBe("cancelled");
        await sink[Symbol.asyncDispose]();
        await adapter.remove(created.resource);
        expect(Date.now() - began).toBeLessThan(2000);

        lab.tasks.faults.push({ method: "VM.start", stayPending: true });
        const other = new AbortController();
        setTimeout(() => other.abort(reasonGiven), 100);
        const before = Date.now();
        expect((await told(adapter.power(uuid("VM", lab.seeded.vm), "start", other.signal))).code).toBe("cancelled");
        expect(Date.now() - before).toBeLessThan(2100);
      });

      it("words what XenServer refuses", async () => {
        const vm = uuid("VM", lab.seeded.vm);
        await adapter.power(vm, "start");
        const tools = await told(adapter.power(vm, "shutdown"));
        expect(tools).toMatchObject({ code: "host.refused" });
        expect(tools.text).toContain("VM Tools");
        await adapter.power(vm, "pause");
        await adapter.power(vm, "resume");
        await adapter.power(vm, "stop");
        lab.tasks.faults.push({ method: "VM.start", fail: ["HOST_NOT_ENOUGH_FREE_MEMORY", "1", "2"] });
        expect((await told(adapter.power(vm, "start"))).text).toContain("enough free memory");
      });
    });

    it("makes disks beyond the largest VHD where the driver has QCOW2, and reads them as raw", async () => {
      const large = 3 * TiB;
      expect(adapter.capabilities.limits.maxDiskSize).toMatchObject({ raw: 16_381 * GiB, vhd: 2040 * GiB });
      const created = await adapter.createDisk(spec(lab.seeded.shared, { virtualSize: large, fileLength: large }));
      {
        await using sink = sinkOf(created);
        await sink.write(0, Buffer.alloc(MiB, "large "));
        await sink.commit(large);
      }
      {
        await using opened = await adapter.openResource(created.resource, "raw");
        if (opened.access !== "once") throw new Error("not an export");
        expect(opened.stream.size).toBe(large);
        for await (const { offset, bytes } of opened.stream.pieces()) {
          expect([offset, Buffer.from(bytes.subarray(0, 6)).toString()]).toEqual([0, "large "]);
          break;
        }
      }
      const other = await told(adapter.planDisk(spec(lab.seeded.thick, { virtualSize: large })));
      expect(other.code).toBe("disk.too-large");
      const tag = randomUUID();
      const wanted = vmSpec({ disks: [{ resource: created.resource, format: "raw", bus: "xen" }] });
      expect((await adapter.createVm(wanted, tag)).disks).toMatchObject([{ format: "qcow2", capacity: large }]);
      await adapter.remove(adapter.planVm(wanted, tag));
      await adapter.remove(created.resource);
      // The host's own word for it is no full repository.
      lab.tasks.faults.push({ method: "VDI.create", fail: ["VDI_TOO_LARGE", "OpaqueRef:x", "2190433320960"] });
      const refused = await told(adapter.createDisk(spec(lab.seeded.shared)));
      expect(refused).toMatchObject({ code: "host.refused" });
      expect(refused.text).toContain("larger than the format allows");
    });

    it("makes a VM with an empty CD drive, few sockets, and cards as wide as their networks", async () => {
      const network = lab.db.refs("network", (each) => each["name_label"] === "Host internal")[0]!;
      lab.db.update("network", network, { MTU: 9000 });
      const guest = { id: "windows", name: "Windows", version: null, family: "windows" } as const;
      const disks = await Promise.all([1, 2, 3, 4, 5].map(() => filled(lab.seeded.shared)));
      const bus = "xen" as const;
      const wanted = vmSpec({
        cpus: 32,
        guest,
        disks: disks.map((resource) => ({ resource, format: "raw" as const, bus })),
        nics: [{ networkRef: uuid("network", network), model: "netfront", mac: null }],
      });
      const tag = randomUUID();
      const vm = await adapter.createVm(wanted, tag);
      const [record] = lab.db.refs("VM", (each) => each["uuid"] === vm.ref).map((ref) => lab.db.get("VM", ref));
      const of = (name: "VBD" | "VIF", list: "VBDs" | "VIFs") =>
        (record?.[list] as string[]).map((ref) => lab.db.get(name, ref));
      expect(of("VBD", "VBDs").filter((each) => each["type"] === "CD")).toMatchObject([
        { userdevice: "3", mode: "RO", empty: true },
      ]);
      expect(vm.disks.map(({ id }) => id)).toEqual(["0", "1", "2", "4", "5"]);
      expect(of("VIF", "VIFs")).toMatchObject([{ MTU: 9000 }]);
      expect((record?.["platform"] as Record<string, string>)["cores-per-socket"]).toBe("16");
      // The same again finds all of it there.
      expect((await adapter.createVm(wanted, tag)).disks).toHaveLength(5);
      const ide = { ...wanted, name: `${wanted.name}-ide`, disks: wanted.disks.slice(0, 4) };
      const full = await adapter.createVm({ ...ide, disks: ide.disks.map((each) => ({ ...each, bus: "ide" })) }, "t");
      expect(full.disks.map(({ id }) => id)).toEqual(["0", "1", "2", "3"]);
      await adapter.remove(adapter.planVm(ide, "t"));
      await adapter.remove(adapter.planVm(wanted, tag));
      for (const disk of disks) await adapter.remove(disk);
      lab.db.update("network", network, { MTU: 1500 });
    });

    it("exports a running machine as one that can be started where it is imported", async () => {
      const vm = uuid("VM", lab.seeded.vm);
      await adapter.power(vm, "start");
      const plan = await adapter.planCapture(vm, ["0"], randomUUID());
      const parts: Uint8Array[] = [];
      {
        const opened = await adapter.packages?.open(vm, "xva", plan);
        if (opened === undefined) throw new Error("the pool exports no packages");
        await using held = opened;
        for await (const part of held.bytes) parts.push(part);
      }
      const xml = Buffer.concat(parts)
        .subarray(512, 64 * 1024)
        .toString("latin1");
      expect(/<name>is_a_template<\/name><value><boolean>(\d)/.exec(xml)?.[1]).toBe("0");
      // It is still a snapshot, no machine of the inventory, and found by its tag.
      const names: string[] = [];
      for await (const item of adapter.inventory()) if (item.kind === "vm") names.push(item.name);
      expect(names).toEqual(["web01"]);
      for (const each of plan.resources) await adapter.remove(each);
      expect(lab.db.refs("VM", (each) => String(each["name_label"]).startsWith("supravisor-capture"))).toEqual([]);
      await adapter.power(vm, "stop");
    });

    it("completes a VM whose making was interrupted, and never takes a copy of it for its own", async () => {
      const disk = await filled(lab.seeded.shared);
      const wanted = vmSpec({
        disks: [{ resource: disk, format: "raw", bus: "xen" }],
        firmware: "uefi",
        secureBoot: true,
      });
      const tag = randomUUID();
      lab.tasks.faults.push({ method: "VBD.create", fail: ["INTERNAL_ERROR", "the toolstack was restarted"] });
      expect((await told(adapter.createVm(wanted, tag))).code).toBe("host.refused");
      const vm = await adapter.createVm(wanted, tag);
      expect(vm).toMatchObject({ firmware: "uefi", secureBoot: true, tag, nics: [{ mac: "52:54:00:aa:bb:cc" }] });
      expect(vm.disks).toHaveLength(1);
      const ref = lab.db.refs("VM", (each) => each["uuid"] === vm.ref)[0]!;
      const copy = lab.machines.clone(ref, "a person's copy");
      lab.db.update("VM", copy, { is_a_template: false });
      await adapter.remove(adapter.planVm(wanted, tag));
      expect(lab.db.find("VM", ref)).toBeNull();
      expect(lab.db.find("VM", copy)).not.toBeNull();
      await adapter.remove(disk);
      // A disk of that name which is not ours stays.
      const theirs = lab.storage.createDisk({ SR: lab.seeded.shared, name_label: "theirs", virtual_size: 2 * MiB });
      await adapter.remove({ kind: "disk", ref: `${uuid("SR", lab.seeded.shared)}/theirs`, label: "theirs" });
      expect(existsSync(lab.storage.path(theirs))).toBe(true);
    });
  },
);
