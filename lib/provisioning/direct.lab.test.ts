/** VMs' disks straight from host to host through the whole console: each VM that arrives is the source of the next deploy. */
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareByQemu, type EstateHost, START, WHY_NOT } from "#e2e/lab/estate.ts";
import { hosts, imageVersions, jobLog } from "#lib/db/schema.ts";
import { VENDORS, type Vendor } from "#lib/domain/hardware.ts";
import type { TargetChoice } from "#lib/domain/request.ts";
import type { HostRow } from "#lib/inventory/host-access.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { findVm } from "#lib/inventory/vm-query.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { linkVm } from "#lib/services/image/link-vm.ts";
import { testPerson } from "#lib/services/testing.ts";
import { type Bench, deployBench, type Outcome, until } from "./testing.ts";

const PATIENCE_MS = 60_000;
const missing = VENDORS.flatMap((vendor) => WHY_NOT[vendor]() ?? []);

/** What an earlier step has made on a host. */
interface Arrived {
  readonly vendor: Vendor;
  readonly vmRef: string;
}

describe.skipIf(missing.length > 0)(
  `a VM's disk straight into a deploy${missing.length === 0 ? "" : ` (skipped: ${missing.join("; ")})`}`,
  () => {
    const labs = new Map<Vendor, EstateHost>();
    const rows = new Map<Vendor, HostRow>();
    const arrived = new Map<string, Arrived>();
    let bench: Bench;
    let golden: string;
    let library: string[];

    beforeAll(async () => {
      bench = await deployBench();
      golden = bench.golden;
      library = await libraryNow();
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
    }, 240_000);
    afterAll(async () => {
      await bench.close();
      for (const lab of labs.values()) await lab.stop();
    }, 60_000);

    const libraryNow = async () => (await readdir(join(bench.services.dataDir, "library"), { recursive: true })).sort();

    /** The VM's row once it is in that state: what preflight goes by. */
    async function seen({ vendor, vmRef }: Arrived, state: string) {
      const host = rows.get(vendor)!;
      return until(`${vmRef} ${state}`, async () => {
        const found = await findVm(bench.services.db, host.id, vmRef).catch(() => null);
        return found?.vm.state === state ? found.vm : null;
      });
    }

    async function link(from: Arrived, state: string): Promise<string> {
      await seen(from, state);
      const { versionId } = await linkVm(bench.operator, { hostId: rows.get(from.vendor)!.id, vmRef: from.vmRef });
      return versionId;
    }

    async function deploy(vendor: Vendor, name: string, more: Partial<TargetChoice>, versionId?: string) {
      const poolRef = labs.get(vendor)!.poolRef;
      const choice = await bench.choice(rows.get(vendor)!, name, { poolRef, start: false, ...more }, versionId);
      const outcome = await bench.ended(await bench.deploy(choice, versionId));
      if (outcome.target.vmRef !== null) arrived.set(name, { vendor, vmRef: outcome.target.vmRef });
      return outcome;
    }

    /** A foreign eye on the file that arrived, and on both hosts' entries in the ledger. */
    async function expectArrived(outcome: Outcome, moment: "snapshot" | "stopped", from: Arrived): Promise<void> {
      expect(outcome.target.error).toBeNull();
      const { receipt, hostId } = outcome.target;
      expect(receipt).toMatchObject({ equal: true, source: { moment, hostName: `lab-${from.vendor}` } });
      expect(receipt?.targetFingerprint).toBe(receipt?.imageFingerprint);
      const own = outcome.ledger.filter((entry) => entry.state === "kept");
      expect(own.map(({ kind, hostId: where }) => [kind, where])).toEqual([
        ["disk", hostId],
        ["vm", hostId],
      ]);
      const others = outcome.ledger.filter((entry) => entry.state !== "kept");
      expect(others.every((entry) => entry.state === "removed" && entry.hostId === rows.get(from.vendor)!.id)).toBe(
        true,
      );
      expect(others.some(({ kind }) => kind === "snapshot")).toBe(moment === "snapshot");
      const target = [...rows].find(([, row]) => row.id === hostId)![0];
      const vm = await withHost(bench.services, hostId, (adapter) => adapter.vm(outcome.target.vmRef ?? ""));
      const disk = own[0]!;
      const ref = target === "vmware" ? (vm.disks[0]?.source ?? "") : disk.ref;
      compareByQemu(golden, await labs.get(target)!.file({ kind: "disk", ref, label: disk.label }));
      await expectUntouched(from);
      expect(await libraryNow()).toEqual(library);
    }

    /** Why the disk was kept in the data folder meanwhile, as the job's log tells. */
    async function kept({ job }: Outcome): Promise<string[]> {
      const lines = await bench.services.db.select().from(jobLog).where(eq(jobLog.jobId, job.id));
      return lines.flatMap(({ text }) => /^The disk is kept in the data folder meanwhile: (.*)/.exec(text)?.[1] ?? []);
    }

    /** Nothing of the reading is left on the VM. */
    async function expectUntouched({ vendor, vmRef }: Arrived): Promise<void> {
      const vm = await withHost(bench.services, rows.get(vendor)!.id, (adapter) => adapter.vm(vmRef));
      expect(vm.snapshots).toEqual([]);
      if (vendor !== "hyperv") return;
      // Here merged copies and the two files of a transfer lie beside the disk.
      const { path } = await labs.get(vendor)!.file({ kind: "disk", ref: vm.disks[0]?.source ?? "", label: "" });
      expect((await readdir(dirname(path))).filter((name) => /supravisor|avhdx/i.test(name))).toEqual([]);
    }

    it("begins with an image on KVM and on Xen", { timeout: PATIENCE_MS }, async () => {
      const [kvm, xen] = await Promise.all([deploy("kvm", "one", {}), deploy("xen", "two", { start: true })]);
      expect(kvm.target.error).toBeNull();
      expect(xen.target.error).toBeNull();
    });

    it("goes from KVM to VMware, and from a Xen pool, while it runs, to VirtualBox", {
      timeout: PATIENCE_MS,
    }, async () => {
      const [one, two] = [arrived.get("one")!, arrived.get("two")!];
      const [three, five] = await Promise.all([
        deploy("vmware", "three", { start: true }, await link(one, "stopped")),
        deploy("virtualbox", "five", {}, await link(two, "running")),
      ]);
      await expectArrived(three, "stopped", one);
      await expectArrived(five, "snapshot", two);
      expect([await kept(three), await kept(five)]).toEqual([[], []]);
    });

    it("goes from VMware, while it runs, to Hyper-V", { timeout: PATIENCE_MS }, async () => {
      const from = arrived.get("three")!;
      const outcome = await deploy("hyperv", "four", {}, await link(from, "running"));
      await expectArrived(outcome, "snapshot", from);
      expect(await kept(outcome)).toEqual(["the target fetches the file itself, part by part."]);
      await seen(from, "running");
      // To its own host it goes as it comes.
      const clone = await deploy("vmware", "clone", {}, await link(from, "running"));
      await expectArrived(clone, "snapshot", from);
      expect(await kept(clone)).toEqual([]);
    });

    it("goes from Hyper-V to KVM, where a VM that runs is then a blocker", { timeout: PATIENCE_MS }, async () => {
      const from = arrived.get("four")!;
      const outcome = await deploy("kvm", "six", { start: true }, await link(from, "stopped"));
      await expectArrived(outcome, "stopped", from);
      expect(await kept(outcome)).toHaveLength(1);
      const versionId = await link(arrived.get("six")!, "running");
      const choice = await bench.choice(rows.get("xen")!, "never", {}, versionId);
      await expect(bench.submit(choice, versionId)).rejects.toMatchObject({
        code: "request.blocked",
        details: { rules: ["source.vm-running"] },
      });
    });

    it("goes to several hosts at once, each by a snapshot of its own", { timeout: PATIENCE_MS }, async () => {
      const made = await deploy("hyperv", "seven", { start: true });
      expect(made.target.error).toBeNull();
      const from = arrived.get("seven")!;
      const versionId = await link(from, "running");
      const outcomes = await Promise.all([
        deploy("kvm", "eight", {}, versionId),
        deploy("virtualbox", "nine", {}, versionId),
        deploy("xen", "ten", {}, versionId),
      ]);
      for (const outcome of outcomes) await expectArrived(outcome, "snapshot", from);
    });

    it("goes on beside a capture of the same VM, and neither takes the other's snapshot", {
      timeout: PATIENCE_MS,
    }, async () => {
      const from = arrived.get("seven")!;
      const hostId = rows.get(from.vendor)!.id;
      const versionId = await link(from, "running");
      const [outcome, captured] = await Promise.all([
        deploy("kvm", "eleven", {}, versionId),
        captureVm(bench.operator, { hostId, vmRef: from.vmRef, imageId: null, name: null, from: null }).then(
          ({ versionId: made }) =>
            until("the capture's end", async () => {
              const [row] = await bench.services.db.select().from(imageVersions).where(eq(imageVersions.id, made));
              return row?.state === "ready" || row?.state === "failed" ? row : null;
            }),
        ),
      ]);
      expect(captured.error).toBeNull();
      library = await libraryNow();
      await expectArrived(outcome, "snapshot", from);
    });

    it("is cancelled in the middle, and leaves nothing on either host", { timeout: PATIENCE_MS }, async () => {
      const from = arrived.get("two")!;
      let stage = "";
      bench.interfere.set("cancelled", {
        stage: async (id, is) => void (stage = is === "running" ? id : ""),
        progress: ({ done }) => stage === "transfer" && done > 0,
      });
      const outcome = await deploy("vmware", "cancelled", {}, await link(from, "running"));
      expect(outcome.target).toMatchObject({ status: "cancelled", vmRef: null });
      expect(outcome.ledger.map(({ kind, state }) => [kind, state])).toEqual([
        ["snapshot", "removed"],
        ["disk", "removed"],
      ]);
      await expectUntouched(from);
      expect(await libraryNow()).toEqual(library);
    });
  },
);
