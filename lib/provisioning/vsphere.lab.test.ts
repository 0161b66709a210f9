/** A vCenter through the whole console: added, watched, deployed to, captured from, gone and back. */
import { randomUUID } from "node:crypto";
import { and, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startVsphere, type VsphereLab } from "#e2e/lab/vmware/lab.ts";
import { whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import { hosts, imageDisks, imageVersions, inventoryItems, jobs, ledger } from "#lib/db/schema.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import type { HostRow } from "#lib/inventory/host-access.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { testPerson } from "#lib/services/testing.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { deployBench, until, type Bench } from "./testing.ts";

const reason = whyNoVcsim();

describe.skipIf(reason !== null)(`a vCenter in the console${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let lab: VsphereLab;
  let bench: Bench;
  let host: HostRow;
  let vmRef = "";

  const state = async () => {
    const [row] = await bench.services.db.select().from(hosts).where(eq(hosts.id, host.id));
    if (row === undefined) throw new Error("the host has no row");
    return row;
  };
  const vmRow = async (ref: string): Promise<Vm | null> => {
    const rows = await bench.services.db
      .select()
      .from(inventoryItems)
      .where(and(eq(inventoryItems.hostId, host.id), eq(inventoryItems.kind, "vm"), eq(inventoryItems.ref, ref)));
    return (rows[0]?.data as Vm | undefined) ?? null;
  };
  const online = () => until("the vCenter online", async () => ((await state()).state === "online" ? true : null));

  beforeAll(async () => {
    lab = await startVsphere({ kind: "vpx", vms: 1 });
    bench = await deployBench();
    const administrator = await testPerson(bench.services, "administrator");
    const input = {
      name: "lab-vcenter",
      target: { driver: "vmware" as const, connection: lab.connection },
      secret: lab.secret,
    };
    const unpinned = { ...input, target: { ...input.target, connection: { ...lab.connection, certificate: null } } };
    await expect(addHost(administrator, unpinned)).rejects.toMatchObject({
      code: "host.identity-unconfirmed",
      details: { fingerprint: lab.proxy.certificate().sha256 },
    });
    host = await addHost(administrator, input);
    expect(JSON.stringify(host)).not.toContain("Lab &");
    await online();
  });
  afterAll(async () => {
    await bench.close();
    await lab[Symbol.asyncDispose]();
  }, 60_000);

  it("takes a deploy, starts it, and gives the disk back equal for the receipt", async () => {
    const choice = await bench.choice(host, "from-console", { start: true });
    expect(choice).toMatchObject({ diskFormat: "vmdk" });
    const outcome = await bench.ended(await bench.deploy(choice));
    expect(outcome.target).toMatchObject({
      status: "succeeded",
      error: null,
      receipt: { equal: true, format: "vmdk", vmName: "from-console" },
    });
    expect(outcome.ledger.map(({ kind, state: is }) => [kind, is])).toEqual([
      ["disk", "kept"],
      ["vm", "kept"],
    ]);
    vmRef = outcome.target.vmRef ?? "";
    const row = await until("the VM's row", async () => {
      const found = await vmRow(vmRef);
      return found?.state === "running" ? found : null;
    });
    expect(row).toMatchObject({
      name: "from-console",
      tag: outcome.target.tag,
      location: { node: expect.any(String) as string },
    });
  });

  it("lends the disk of the running VM to the library, and keeps no snapshot", async () => {
    const vm = await vmRow(vmRef);
    const started = await captureVm(bench.operator, {
      hostId: host.id,
      vmRef,
      diskId: vm?.disks[0]?.id ?? "",
      imageId: null,
      from: null,
      name: `captured-${randomUUID().slice(0, 8)}`,
    });
    const version = await until("the captured version", async () => {
      const [row] = await bench.services.db.select().from(imageVersions).where(eq(imageVersions.id, started.versionId));
      if (row?.state === "failed") throw new Error(JSON.stringify(row.error));
      return row?.state === "ready" ? row : null;
    });
    const fingerprints = async (id: string) =>
      (await bench.services.db.select().from(imageDisks).where(eq(imageDisks.versionId, id))).map(
        (disk) => disk.fingerprint,
      );
    expect(await fingerprints(version.id)).toEqual(await fingerprints(bench.versionId));
    const [job] = await bench.services.db.select().from(jobs).where(eq(jobs.kind, "image.capture"));
    const entries = await bench.services.db
      .select()
      .from(ledger)
      .where(eq(ledger.jobId, job?.id ?? ""));
    expect(entries.map(({ kind, state: is }) => [kind, is]).sort()).toEqual([
      ["file", "kept"],
      ["snapshot", "removed"],
    ]);
    const shown = await lab.proxy.backend.property({ type: "VirtualMachine", id: vmRef }, "snapshot");
    expect(shown).toBeUndefined();
    expect(lab.proxy.openLeases()).toBe(0);
  });

  it("is shown as of an earlier time while it is gone, and catches up when it is back", async () => {
    const up = await lab.proxy.down();
    const gone = await until("the loss noticed", async () => {
      const row = await state();
      return row.state === "offline" ? row : null;
    });
    expect(gone.staleSince).not.toBeNull();
    expect(gone.error).toMatchObject({ code: "host.unreachable" });
    expect((await vmRow(vmRef))?.state).toBe("running");
    await lab.proxy.backend.task("PowerOffVM_Task", { type: "VirtualMachine", id: vmRef }, xml``);
    up();
    await online();
    // It is online as soon as it answers, and stale until its inventory has been read again.
    await until("an inventory that is current", async () => ((await state()).staleSince === null ? true : null));
    await until("what was missed", async () => ((await vmRow(vmRef))?.state === "stopped" ? true : null));
  });

  it("undoes a deploy that is cancelled in the middle of its upload", async () => {
    const big = await bench.addImage("big", 24 * 1024 ** 2);
    const choice = await bench.choice(host, "cancelled", { start: false }, big);
    let stage = "";
    bench.interfere.set("cancelled", {
      stage: async (id, is) => void (stage = is === "running" ? id : ""),
      progress: ({ done }) => stage === "transfer" && done > 0,
    });
    lab.proxy.slowUploads(8 * 1024 ** 2);
    const outcome = await bench.ended(await bench.deploy(choice, big));
    lab.proxy.slowUploads(null);
    expect(outcome.target).toMatchObject({ status: "cancelled", vmRef: null });
    expect(outcome.ledger.map(({ kind, state: is }) => [kind, is])).toEqual([["disk", "removed"]]);
    expect(lab.proxy.openLeases()).toBe(0);
  });
});
