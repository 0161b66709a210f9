/** A console that is killed in the middle of a capture: the next one finds the checkpoint by the ledger, and captures anew. */
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { eq } from "drizzle-orm";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { DISKS } from "#e2e/lab/hyperv/seed.ts";
import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";
import { imageVersions, jobs, ledger } from "#lib/db/schema.ts";
import { HostConnection } from "#lib/domain/connection.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { startInventorySync } from "#lib/inventory/sync.ts";
import { findVm } from "#lib/inventory/vm-query.ts";
import { openLibrary } from "#lib/library/store.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { testPerson } from "#lib/services/testing.ts";
import { openServices } from "./services.ts";
import { type RealWorker, startRealWorker } from "./testing/real-worker.ts";

const reason = whyNoHyperv();
const MiB = 1024 ** 2;
const log = pino({ level: "silent" });
const closers: (() => unknown)[] = [];

async function until(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
  for (const late = Date.now() + 45_000; !(await test()); await delay(50))
    if (Date.now() > late) throw new Error(`never came: ${what}`);
}

function startWorker(dataDir: string): RealWorker {
  const worker = startRealWorker(dataDir);
  closers.push(() => worker.end("SIGKILL"));
  return worker;
}

describe.skipIf(reason !== null)(`a capture whose worker dies${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  it("leaves no checkpoint behind, and is done by the next worker", async () => {
    const lab = await HypervSimulator.start();
    closers.push(() => lab[Symbol.asyncDispose]());
    const dataDir = mkdtempSync(join(tmpdir(), "supravisor-capture-"));
    closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const target = HostConnection.parse({
      driver: "hyperv",
      connection: { transport: "http", host: "127.0.0.1", port: lab.httpPort, user: lab.user },
    });
    const secret = { password: lab.password };
    const [raw, path] = [join(lab.folder, "c.raw"), `${DISKS}\\c.vhdx`];
    writeFileSync(raw, Buffer.concat([randomBytes(6 * MiB), Buffer.alloc(2 * MiB)]));
    const file = lab.jail.local(path) ?? "";
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", raw, file]);
    await using adapter = await openHost(target, secret);
    const vm = await adapter.createVm(
      {
        name: "web01",
        cpus: 1,
        memory: 256 * MiB,
        firmware: "uefi",
        secureBoot: false,
        guest: null,
        placement: {},
        disks: [{ resource: { kind: "disk", ref: path, label: path }, format: "vhdx", bus: "scsi" }],
        nics: [],
        description: "",
      },
      randomUUID(),
    );
    await adapter.power(vm.ref, "start");

    const openBase = () => openServices({ dataDir, log });
    let base = await openBase();
    await openLibrary(base.services);
    const administrator = await testPerson(base.services, "administrator");
    const host = await addHost(administrator, { name: "hv", target, secret });
    const sync = await startInventorySync(base.services);
    await until("the VM's row", () =>
      findVm(base.services.db, host.id, vm.ref).then(
        () => true,
        () => false,
      ),
    );
    await sync.close();
    const started = await captureVm(administrator, {
      hostId: host.id,
      vmRef: vm.ref,
      imageId: null,
      name: "web01",
      from: null,
    });
    await base.close();

    const checkpoints = async () => (await adapter.vm(vm.ref)).snapshots.map(({ name }) => name);
    const orders = () =>
      lab.store
        .all("Msvm_ConcreteJob")
        .map(({ values }) => values["ElementName"])
        .filter((order) => order === "CreateSnapshot" || order === "DestroySnapshot");
    lab.programs.rate = "1M";
    const first = startWorker(dataDir);
    await until("bytes on their way", () => lab.programs.ran.some((line) => /^curl\.exe.* -T /.test(line)));
    await delay(300);
    await first.end("SIGKILL");
    expect(await checkpoints()).toHaveLength(1);
    expect(orders()).toEqual(["CreateSnapshot"]);
    base = await openBase();
    const owed = await base.services.db.select().from(ledger).where(eq(ledger.hostId, host.id));
    expect(owed.map(({ kind, state }) => [kind, state])).toContainEqual(["snapshot", "planned"]);
    await base.close();

    lab.programs.rate = null;
    const second = startWorker(dataDir);
    await until("the end", second.isDone);
    await second.end("SIGTERM");
    // The first was removed before the second was made.
    expect(orders()).toEqual(["CreateSnapshot", "DestroySnapshot", "CreateSnapshot", "DestroySnapshot"]);
    expect(await checkpoints()).toEqual([]);
    base = await openBase();
    closers.push(() => base.close());
    const [version] = await base.services.db
      .select()
      .from(imageVersions)
      .where(eq(imageVersions.id, started.versionId));
    expect(version?.error).toBeNull();
    expect(version?.state).toBe("ready");
    const [job] = await base.services.db.select().from(jobs);
    expect(job).toMatchObject({ state: "succeeded", attempt: 2, crashes: 0, crashStage: null });
    const captured = join(dataDir, "library", version?.folder ?? "", "disk.qcow2");
    execFileSync("qemu-img", ["compare", "-q", "-f", "raw", "-F", "qcow2", raw, captured]);
    const left = await base.services.db.select().from(ledger).where(eq(ledger.hostId, host.id));
    expect(left.map(({ state }) => state).filter((state) => state !== "removed")).toEqual([]);
    expect(readdirSync(lab.jail.local(DISKS) ?? "").filter((each) => /supravisor|transfer/.test(each))).toEqual([]);
  }, 120_000);
});
