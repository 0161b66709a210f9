/** A machine with two disks goes from host to host through the library: captured as it runs, deployed, exported as XVA. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { and, asc, eq, ne } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareByQemu, type EstateHost, START, WHY_NOT } from "#e2e/lab/estate.ts";
import { hosts, imageDisks, imageVersions, ledger } from "#lib/db/schema.ts";
import { planConversion } from "#lib/disk/convert.ts";
import { fingerprintFile, openInspection } from "#lib/disk/file-conversion.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { HypervisorAdapter, VmSpec } from "#lib/hypervisor/adapter.ts";
import { fillDisk } from "#lib/hypervisor/fill-disk.ts";
import type { HostRow } from "#lib/inventory/host-access.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { findVm } from "#lib/inventory/vm-query.ts";
import { openLibrary } from "#lib/library/store.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { testPerson } from "#lib/services/testing.ts";
import { type Bench, deployBench, type Outcome, until } from "./testing.ts";

const MIB = 1_048_576;
const PATIENCE_MS = 60_000;
const VENDORS = ["vmware", "xen", "kvm"] as const;
const missing = VENDORS.flatMap((vendor) => WHY_NOT[vendor]() ?? []);

describe.skipIf(missing.length > 0)(
  `a machine with two disks${missing.length === 0 ? "" : ` (skipped: ${missing.join("; ")})`}`,
  () => {
    const labs = new Map<Vendor, EstateHost>();
    const rows = new Map<Vendor, HostRow>();
    let bench: Bench;
    let scratch: Scratch;
    /** What its disks hold, as raw files, and their fingerprints. */
    let truths: readonly string[];
    let prints: readonly string[];
    /** Where it lies by now. */
    let vmRef: string;
    let versionId: string;

    beforeAll(async () => {
      bench = await deployBench();
      scratch = new Scratch();
      truths = [
        scratch.raw("boot.raw", 12 * MIB, [
          [0, MIB],
          [7 * MIB + 4096, 300_000],
        ]),
        scratch.raw("data.raw", 8 * MIB, [[3 * MIB, 2 * MIB]]),
      ];
      prints = await Promise.all(truths.map((path) => fingerprintFile(path)));
      const administrator = await testPerson(bench.services, "administrator");
      await Promise.all(
        VENDORS.map(async (vendor) => {
          const lab = await START[vendor]();
          labs.set(vendor, lab);
          const { target, secret } = lab;
          const host = await addHost(administrator, { name: `lab-${vendor}`, target, secret });
          const row = await until(`lab-${vendor} online`, async () => {
            const [now] = await bench.services.db.select().from(hosts).where(eq(hosts.id, host.id));
            return now?.state === "online" ? now : null;
          });
          rows.set(vendor, row);
        }),
      );
      vmRef = await withHost(bench.services, rows.get("vmware")!.id, makeMachine);
    }, 240_000);
    afterAll(async () => {
      await bench.close();
      for (const lab of labs.values()) await lab.stop();
      scratch[Symbol.dispose]();
    }, 60_000);

    /** On the first host, and started. */
    async function makeMachine(adapter: HypervisorAdapter): Promise<string> {
      const { capabilities } = adapter;
      const { poolRef, networkRef } = labs.get("vmware")!;
      const format = capabilities.diskFormats[0]!;
      const options = capabilities.formatOptions[format] ?? {};
      const firmware = capabilities.firmware.find(({ available }) => available)!;
      const disks: VmSpec["disks"][number][] = [];
      for (const path of truths) {
        await using opened = await openInspection(path);
        const { fileLength } = await planConversion(opened.disk, format, options);
        const name = `two-${randomUUID().slice(0, 8)}`;
        const spec = { poolRef, name, format, virtualSize: opened.disk.size, fileLength, placement: {} };
        const created = await adapter.createDisk(spec);
        await fillDisk(created, { disk: opened.disk, to: format, options });
        disks.push({ resource: created.resource, format, bus: firmware.bootBuses[0]! });
      }
      const spec: VmSpec = {
        name: "two disks",
        cpus: 2,
        memory: 256 * MIB,
        firmware: firmware.firmware,
        secureBoot: false,
        guest: null,
        placement: {},
        disks,
        nics: networkRef === null ? [] : [{ networkRef, model: capabilities.nics[0]!, mac: null }],
        description: "made by the test of whole machines",
      };
      const vm = await adapter.createVm(spec, randomUUID());
      await adapter.power(vm.ref, "start");
      return vm.ref;
    }

    /** Of the machine while it runs. Answers with the version's id and its rows of disks. */
    async function capture(vendor: Vendor, more: { package?: "xva" }) {
      const { db } = bench.services;
      const host = rows.get(vendor)!;
      await until("the running machine's row", async () => {
        const found = await findVm(db, host.id, vmRef).catch(() => null);
        return found?.vm.state === "running" ? found : null;
      });
      const started = await captureVm(bench.operator, {
        hostId: host.id,
        vmRef,
        imageId: null,
        name: null,
        from: null,
        ...more,
      });
      const version = await until("the captured version", async () => {
        const [row] = await db.select().from(imageVersions).where(eq(imageVersions.id, started.versionId));
        if (row?.state === "failed") throw new Error(JSON.stringify(row.error));
        return row?.state === "ready" ? row : null;
      });
      expect(version.hints).toMatchObject({ cpus: 2, memory: 256 * MIB });
      const entries = await db.select().from(ledger).where(eq(ledger.jobId, started.jobId));
      expect(entries.map(({ kind, state }) => `${kind} ${state}`).sort()).toEqual(["file kept", "snapshot removed"]);
      const vm = await withHost(bench.services, host.id, (adapter) => adapter.vm(vmRef));
      expect(vm).toMatchObject({ state: "running", snapshots: [] });
      const disks = await db
        .select()
        .from(imageDisks)
        .where(eq(imageDisks.versionId, version.id))
        .orderBy(asc(imageDisks.position));
      expect(disks.map(({ fingerprint }) => fingerprint)).toEqual(prints);
      return { version, disks };
    }

    async function deploy(vendor: Vendor, start: boolean): Promise<Outcome> {
      const choice = await bench.choice(
        rows.get(vendor)!,
        `two-on-${vendor}`,
        { poolRef: labs.get(vendor)!.poolRef, start },
        versionId,
      );
      const outcome = await bench.ended(await bench.deploy(choice, versionId));
      expect(outcome.target.error).toBeNull();
      expect(outcome.target).toMatchObject({ status: "succeeded", receipt: { equal: true } });
      const disks = outcome.ledger.filter(({ kind }) => kind === "disk");
      expect(disks).toHaveLength(2);
      for (const [i, { ref, label }] of disks.entries())
        compareByQemu(truths[i]!, await labs.get(vendor)!.file({ kind: "disk", ref, label }));
      vmRef = outcome.target.vmRef ?? "";
      const vm = await withHost(bench.services, rows.get(vendor)!.id, (adapter) => adapter.vm(vmRef));
      expect(vm.disks).toHaveLength(2);
      return outcome;
    }

    it("is captured from VMware while it runs, both disks of one moment", { timeout: PATIENCE_MS }, async () => {
      const { version, disks } = await capture("vmware", {});
      expect(disks.map(({ fileName }) => fileName)).toEqual(["disk-1.qcow2", "disk-2.qcow2"]);
      const folder = (await openLibrary(bench.services)).pathOf(version.folder);
      for (const [i, { fileName }] of disks.entries())
        compareByQemu(truths[i]!, { path: join(folder, fileName ?? ""), driver: "qcow2" });
      versionId = version.id;
    });

    it("runs on a Xen pool with both disks", { timeout: PATIENCE_MS }, async () => {
      await deploy("xen", true);
    });

    it("is exported by the pool as XVA while it runs", { timeout: PATIENCE_MS }, async () => {
      const { version, disks } = await capture("xen", { package: "xva" });
      expect(version.source).toMatchObject({ kind: "capture", package: "xva", vmName: "two-on-xen" });
      expect(new Set(disks.map(({ fileName }) => fileName))).toEqual(new Set(["two-on-xen.xva"]));
      expect(disks.every(({ entry }) => entry !== null)).toBe(true);
      versionId = version.id;
    });

    it("arrives on KVM from that XVA, and nothing is left anywhere", { timeout: PATIENCE_MS }, async () => {
      await deploy("kvm", false);
      const open = await bench.services.db
        .select()
        .from(ledger)
        .where(and(ne(ledger.state, "kept"), ne(ledger.state, "removed")));
      expect(open).toEqual([]);
    });

    it("is refused as a package by a host that makes none", async () => {
      const asked = captureVm(bench.operator, {
        hostId: rows.get("kvm")!.id,
        vmRef: await until("its row on KVM", async () => {
          const found = await findVm(bench.services.db, rows.get("kvm")!.id, vmRef).catch(() => null);
          return found?.vm.ref ?? null;
        }),
        package: "xva",
        imageId: null,
        name: null,
        from: null,
      });
      await expect(asked).rejects.toMatchObject({ code: "host.no-packages" });
    });
  },
);
