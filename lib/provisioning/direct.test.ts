/** A VM's disk straight into a deploy, on simulated hosts: nothing of it in the library, nothing left on its host. */
import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { and, eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { auditEntries, imageDisks, images, imageVersions, inventoryItems, requests } from "#lib/db/schema.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { AppError } from "#lib/errors.ts";
import { DemoAdapter } from "#lib/hypervisor/demo/demo-adapter.ts";
import { withHost } from "#lib/inventory/sessions.ts";
import { removeHost } from "#lib/services/host/remove-host.ts";
import { linkVm } from "#lib/services/image/link-vm.ts";
import { openDiskFile } from "#lib/services/image/open-disk-file.ts";
import { readVersionAgain } from "#lib/services/image/read-again.ts";
import { removeImage } from "#lib/services/image/remove-versions.ts";
import { approveRequest } from "#lib/services/request/decide-request.ts";
import { testPerson } from "#lib/services/testing.ts";
import { hashPlan } from "./frozen-plan.ts";
import { inTurn } from "./in-turn.ts";
import { deployBench, type Bench, type Outcome, until } from "./testing.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await deployBench();
});
afterEach(() => {
  vi.restoreAllMocks();
  bench.interfere.clear();
});
afterAll(() => bench.close());

async function vmOf(vendor: Vendor, name: string): Promise<Vm> {
  return until(`${name} of ${vendor}`, async () => {
    const rows = await bench.services.db
      .select()
      .from(inventoryItems)
      .where(and(eq(inventoryItems.hostId, bench.host(vendor).id), eq(inventoryItems.kind, "vm")));
    const found = rows.map(({ data }) => data).find((data): data is Vm => data.kind === "vm" && data.name === name);
    return found ?? null;
  });
}

async function link(vendor: Vendor, name: string) {
  const { ref } = await vmOf(vendor, name);
  return linkVm(bench.operator, { hostId: bench.host(vendor).id, vmRef: ref });
}

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof AppError ? error : new Error(String(error))),
  );
const codeOf = async (work: Promise<unknown>) => ((await errorOf(work)) as AppError | null)?.code;

async function fingerprintOf(path: string): Promise<string> {
  await using image = await openInspection(path);
  return await fingerprintDisk(image.disk);
}

const snapshotsOf = async (vendor: Vendor) => (await bench.files(vendor)).filter((path) => path.includes("/snapshot-"));

async function expectNothingLeft(source: Vendor, target: Vendor, name: string, { ledger }: Outcome): Promise<void> {
  expect(await snapshotsOf(source)).toEqual([]);
  expect((await bench.files(target)).filter((path) => path.includes(name))).toEqual([]);
  expect(await bench.vmNames(target)).not.toContain(name);
  expect(ledger.filter(({ state }) => state !== "removed")).toEqual([]);
}

describe("a linked image", () => {
  it("is one however often the same disks are linked, and knows only what its host tells", async () => {
    const first = await link("vmware", "web-01");
    const again = await link("vmware", "web-01");
    expect(again).toEqual(first);
    const { db } = bench.services;
    const [version] = await db.select().from(imageVersions).where(eq(imageVersions.id, first.versionId));
    const vm = await vmOf("vmware", "web-01");
    expect(version).toMatchObject({
      state: "ready",
      jobId: null,
      source: { kind: "linked", vmRef: vm.ref, vmName: "web-01", guestOs: "Debian GNU/Linux 12" },
      hints: { cpus: 2, memory: 2 * 2 ** 30, firmware: vm.firmware, bus: vm.disks[0]?.bus },
    });
    const disks = await db.select().from(imageDisks).where(eq(imageDisks.versionId, first.versionId));
    expect(disks).toMatchObject([
      { fileName: null, guest: null, allocation: null, fingerprint: null, virtualSize: 256 * 2 ** 20, sha256: [] },
    ]);
    expect(disks).toHaveLength(1);
    const audit = await db.select().from(auditEntries).where(eq(auditEntries.subjectId, first.imageId));
    expect(audit.map(({ action }) => action)).toEqual(["image.linked"]);
  });

  it("has no file to give out or to read again, and goes without touching the host", async () => {
    const { imageId, versionId } = await link("hyperv", "build-03");
    const [disk] = await bench.services.db.select().from(imageDisks).where(eq(imageDisks.versionId, versionId));
    const where = { imageId, versionId, diskId: disk?.id ?? "" };
    expect(await codeOf(openDiskFile(bench.operator, where, null))).toBe("image.linked");
    expect(await codeOf(readVersionAgain(bench.operator, imageId, versionId, "raw"))).toBe("image.linked");
    const files = await bench.files("hyperv");
    await removeImage(await testPerson(bench.services, "administrator"), imageId);
    expect(await bench.files("hyperv")).toEqual(files);
    expect(await bench.services.db.select().from(images).where(eq(images.id, imageId))).toEqual([]);
  });

  it("is refused of disks that its host gives to nobody, and of disks that are not there", async () => {
    expect(await codeOf(link("kvm", "legacy-app"))).toBe("disk.cannot-capture");
    const { ref } = await vmOf("kvm", "web-01");
    const hostId = bench.host("kvm").id;
    expect(await codeOf(linkVm(bench.operator, { hostId, vmRef: ref, diskIds: ["disk7"] }))).toBe("disk.not-found");
    expect(await codeOf(linkVm(bench.operator, { hostId, vmRef: "nobody" }))).toBe("vm.not-found");
    for (const ctx of [bench.requester, await testPerson(bench.services, "auditor")])
      expect(await codeOf(linkVm(ctx, { hostId, vmRef: ref }))).toBe("auth.forbidden");
  });
});

describe("a deploy of a VM's disk", () => {
  it("of a running one with two disks reads one snapshot, which is gone afterwards; the receipt names the moment", async () => {
    const { versionId } = await link("vmware", "db-01");
    const request = await bench.deploy(await bench.choice("kvm", "from-esx", {}, versionId), versionId);
    expect(request.plan).toMatchObject({ fingerprints: [], source: { vmName: "db-01", diskIds: ["disk0", "disk1"] } });
    const moved = { ...request.plan, source: { ...request.plan.source!, diskIds: ["disk1"] } };
    expect(hashPlan(moved)).not.toBe(request.planHash);
    const outcome = await bench.ended(request);
    expect(outcome.target.error).toBeNull();
    const sources = (await bench.files("vmware")).filter((path) => path.includes("db-01"));
    expect(sources).toHaveLength(2);
    expect(outcome.target.receipt).toMatchObject({
      equal: true,
      source: { vmName: "db-01", hostName: bench.host("vmware").name, moment: "snapshot" },
    });
    const read = outcome.target.receipt?.imageFingerprint.split(" ") ?? [];
    expect(read.sort()).toEqual((await Promise.all(sources.map(fingerprintOf))).sort());
    expect(Date.parse(outcome.target.receipt?.source?.at ?? "")).toBeGreaterThan(request.createdAt.getTime());
    expect(outcome.ledger.map(({ kind, state, hostId }) => [kind, state, hostId])).toEqual([
      ["snapshot", "removed", bench.host("vmware").id],
      ["disk", "kept", bench.host("kvm").id],
      ["disk", "kept", bench.host("kvm").id],
      ["vm", "kept", bench.host("kvm").id],
    ]);
    expect(await snapshotsOf("vmware")).toEqual([]);
    const library = await readdir(join(bench.services.dataDir, "library"));
    expect(library.filter((name) => name === versionId)).toEqual([]);
  });

  it("goes to the VM's own host as well, and from there on", async () => {
    const { versionId } = await link("xen", "build-03");
    const clone = await bench.ended(await bench.deploy(await bench.choice("xen", "clone", {}, versionId), versionId));
    expect(clone.target).toMatchObject({
      status: "succeeded",
      receipt: { equal: true, source: { moment: "stopped" } },
    });
    const second = await until("the clone's row", async () => link("xen", "clone").catch(() => null));
    const moved = await bench.ended(
      await bench.deploy(await bench.choice("hyperv", "second", { start: false }, second.versionId), second.versionId),
    );
    expect(moved.target.receipt?.imageFingerprint).toBe(clone.target.receipt?.imageFingerprint);
  });

  it("is blocked while the VM runs on a host that keeps no moment of it, also when it was started after the approval", async () => {
    const { versionId } = await link("kvm", "web-02");
    const choice = await bench.choice("vmware", "never", {}, versionId);
    const error = await errorOf(bench.submit(choice, versionId));
    expect(error).toMatchObject({ code: "request.blocked", details: { rules: ["source.vm-running"] } });

    const still = await link("kvm", "build-03");
    const vm = await vmOf("kvm", "build-03");
    const power = (action: "start" | "stop") =>
      withHost(bench.services, bench.host("kvm").id, (adapter) => adapter.power(vm.ref, action));
    bench.interfere.set("late", { begin: () => power("start") });
    const late = await bench.ended(
      await bench.deploy(await bench.choice("vmware", "late", {}, still.versionId), still.versionId),
    );
    expect(late.target).toMatchObject({ status: "failed", error: { code: "vm.running" } });
    expect(late.ledger).toEqual([]);
    await power("stop");
  });

  it("that is cancelled leaves nothing on either host", async () => {
    const { versionId } = await link("hyperv", "db-01");
    bench.interfere.set("cancelled", { progress: () => true });
    const outcome = await bench.ended(
      await bench.deploy(await bench.choice("virtualbox", "cancelled", {}, versionId), versionId),
    );
    expect(outcome.target.status).toBe("cancelled");
    expect(outcome.ledger.map(({ kind }) => kind)).toEqual(["snapshot", "disk", "disk"]);
    await expectNothingLeft("hyperv", "virtualbox", "cancelled", outcome);
  });

  it("waits while its host lends the disk to another deploy, and not for anybody else", async () => {
    const { versionId } = await link("xen", "build-03");
    const reading = Promise.withResolvers<void>();
    const hold = Promise.withResolvers<void>();
    bench.interfere.set("holder", {
      stage: async (id, state) => {
        if (id !== "transfer" || state !== "running") return;
        reading.resolve();
        await hold.promise;
      },
    });
    const holder = await bench.deploy(await bench.choice("kvm", "holder", {}, versionId), versionId);
    await reading.promise;
    const lines: string[] = [];
    const stop = new AbortController();
    const io = {
      jobId: randomUUID(),
      signal: stop.signal,
      services: bench.services,
      log: async (_level: string, text: string) => void lines.push(text),
    };
    const source = holder.plan.source!;
    const inUse = () => Promise.reject(new AppError("conflict", "disk.in-use", "Another task is under way."));
    let tries = 0;
    expect(await inTurn(io, source, () => (++tries < 4 ? inUse() : Promise.resolve("read")), 10)).toBe("read");
    expect(lines).toEqual([expect.stringContaining("lends the disks of build-03 to another deploy now")]);
    expect(await codeOf(inTurn(io, { ...source, vmRef: "another" }, inUse, 10))).toBe("disk.in-use");
    const waiting = inTurn(io, source, inUse, 60_000);
    stop.abort(new AppError("cancelled", "job.cancelled", "Ada cancelled it."));
    expect(await codeOf(waiting)).toBe("job.cancelled");
    hold.resolve();
    expect((await bench.ended(holder)).target.status).toBe("succeeded");
    expect(await codeOf(inTurn({ ...io, signal: new AbortController().signal }, source, inUse, 10))).toBe(
      "disk.in-use",
    );
  });

  it("succeeds though its source cannot be tidied, and the ledger still names what is left there", async () => {
    const { versionId } = await link("hyperv", "web-02");
    const real = DemoAdapter.prototype.remove;
    vi.spyOn(DemoAdapter.prototype, "remove").mockImplementation(async function (this: DemoAdapter, resource) {
      if (resource.kind === "snapshot") throw new AppError("unavailable", "host.unreachable", "The line is cut.");
      return real.call(this, resource);
    });
    const outcome = await bench.ended(
      await bench.deploy(await bench.choice("kvm", "untidy", {}, versionId), versionId),
    );
    expect(outcome.target).toMatchObject({ status: "succeeded", receipt: { equal: true } });
    expect(outcome.target.receipt?.note).toContain("Still there: snapshot");
    expect(outcome.ledger.map(({ kind, state }) => [kind, state])).toEqual([
      ["snapshot", "made"],
      ["disk", "kept"],
      ["vm", "kept"],
    ]);
    vi.restoreAllMocks();
    const { sweepOnce } = await import("./sweep.ts");
    expect(await sweepOnce(bench.services)).toBe(1);
    expect(await snapshotsOf("hyperv")).toEqual([]);
  });

  it("is of the host and disks that were approved, whatever the row says later", async () => {
    const { versionId } = await link("xen", "web-01");
    const request = await bench.submit(await bench.choice("kvm", "swapped", {}, versionId), versionId);
    const { db } = bench.services;
    const [version] = await db.select().from(imageVersions).where(eq(imageVersions.id, versionId));
    if (version?.source.kind !== "linked") throw new Error("not a link");
    const other = await vmOf("xen", "db-01");
    await db
      .update(imageVersions)
      .set({ source: { ...version.source, vmRef: other.ref } })
      .where(eq(imageVersions.id, versionId));
    await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
    const outcome = await bench.ended(request);
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "image.changed" } });
    expect(outcome.ledger).toEqual([]);
  });
});

describe("a host that goes", () => {
  it("is kept while a request wants its disks; afterwards its links say why they cannot be used", async () => {
    const administrator = await testPerson(bench.services, "administrator");
    const { versionId } = await link("virtualbox", "build-03");
    const request = await bench.submit(await bench.choice("kvm", "waits", {}, versionId), versionId);
    const host = bench.host("virtualbox");
    expect(await codeOf(removeHost(administrator, host.id))).toBe("host.in-use");
    await bench.services.db.update(requests).set({ status: "denied" }).where(eq(requests.id, request.id));
    await removeHost(administrator, host.id);
    const [version] = await bench.services.db.select().from(imageVersions).where(eq(imageVersions.id, versionId));
    expect(version).toMatchObject({ state: "failed", error: { code: "host.removed" } });
    const error = await errorOf(bench.submit(request.plan.targets[0]!.choice, versionId));
    expect(error).toMatchObject({ code: "image.not-ready", hint: expect.stringContaining(host.name) as string });
  });
});
