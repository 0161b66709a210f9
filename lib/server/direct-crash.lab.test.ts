/** A console that is killed while a deploy reads a VM on one host and writes to another: the next one tidies both, and begins anew. */
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { asc, eq } from "drizzle-orm";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { compareByQemu, START, WHY_NOT } from "#e2e/lab/estate.ts";
import { DISKS } from "#e2e/lab/hyperv/seed.ts";
import { HypervSimulator } from "#e2e/lab/hyperv/simulator.ts";
import { jobs, ledger, requestTargets } from "#lib/db/schema.ts";
import { HostConnection } from "#lib/domain/connection.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { startInventorySync } from "#lib/inventory/sync.ts";
import { diskName } from "#lib/provisioning/deployment.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { linkVm } from "#lib/services/image/link-vm.ts";
import { firstChoices } from "#lib/services/preflight/run-preflight.ts";
import { createRequest } from "#lib/services/request/create-request.ts";
import { approveRequest } from "#lib/services/request/decide-request.ts";
import { testPerson } from "#lib/services/testing.ts";
import { openServices } from "./services.ts";
import { type RealWorker, startRealWorker } from "./testing/real-worker.ts";

const reason = WHY_NOT.hyperv() ?? WHY_NOT.xen();
const MiB = 1024 ** 2;
const log = pino({ level: "silent" });
const closers: (() => unknown)[] = [];

async function until<T>(what: string, ask: () => T | null | Promise<T | null>): Promise<T> {
  for (const late = Date.now() + 75_000; ; await delay(50)) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > late) throw new Error(`never came: ${what}`);
  }
}

function startWorker(dataDir: string): RealWorker {
  const worker = startRealWorker(dataDir);
  closers.push(() => worker.end("SIGKILL"));
  return worker;
}

describe.skipIf(reason !== null)(
  `a direct deploy whose worker dies${reason === null ? "" : ` (skipped: ${reason})`}`,
  () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });

    it("leaves nothing on either host, and is done by the next worker", { timeout: 120_000 }, async () => {
      const source = await HypervSimulator.start();
      closers.push(() => source[Symbol.asyncDispose]());
      const pool = await START.xen();
      closers.push(() => pool.stop());
      const dataDir = mkdtempSync(join(tmpdir(), "supravisor-direct-"));
      closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
      const target = HostConnection.parse({
        driver: "hyperv",
        connection: { transport: "http", host: "127.0.0.1", port: source.httpPort, user: source.user },
      });
      const secret = { password: source.password };
      const [raw, path] = [join(source.folder, "c.raw"), `${DISKS}\\c.vhdx`];
      writeFileSync(raw, Buffer.concat([randomBytes(6 * MiB), Buffer.alloc(2 * MiB)]));
      const file = source.jail.local(path) ?? "";
      execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", "-o", "block_size=1M", raw, file]);
      await using adapter = await openHost(target, secret);
      await using xen = await openHost(pool.target, pool.secret);
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
      const administrator = await testPerson(base.services, "administrator");
      const operator = await testPerson(base.services, "operator");
      const from = await addHost(administrator, { name: "hv", target, secret });
      const to = await addHost(administrator, { name: "pool", target: pool.target, secret: pool.secret });
      const sync = await startInventorySync(base.services);
      const { versionId } = await until("the VM's row", () =>
        linkVm(operator, { hostId: from.id, vmRef: vm.ref }).catch(() => null),
      );
      const choice = await until("the pool", () =>
        firstChoices(operator, { imageVersionId: versionId, hostId: to.id }).catch(() => null),
      );
      const targets = [{ ...choice, name: "copy", poolRef: pool.poolRef, diskFormat: "raw" as const, start: false }];
      const request = await createRequest(operator, {
        imageVersionId: versionId,
        targets,
        note: "",
        idempotencyKey: randomUUID(),
      });
      await approveRequest(administrator, request.id, { planHash: request.planHash, reason: "" });
      const [wanted] = await base.services.db
        .select()
        .from(requestTargets)
        .where(eq(requestTargets.requestId, request.id));
      await sync.close();
      await base.close();

      const written = { kind: "disk" as const, ref: `${pool.poolRef}/${diskName(wanted!, 0)}`, label: "the copy" };
      const checkpoints = async () => (await adapter.vm(vm.ref)).snapshots.length;
      const copies = async () => {
        const found: string[] = [];
        for await (const item of xen.inventory()) if (item.kind === "vm" && item.name === "copy") found.push(item.ref);
        return found;
      };
      source.programs.rate = "1M";
      const first = startWorker(dataDir);
      await until("the disk on the other host", () => pool.file(written).catch(() => null));
      await delay(300);
      await first.end("SIGKILL");
      expect(await checkpoints()).toBe(1);

      source.programs.rate = null;
      const second = startWorker(dataDir);
      await until("the end", () => (second.isDone() ? true : null));
      await second.end("SIGTERM");
      base = await openBase();
      closers.push(() => base.close());
      const [job] = await base.services.db.select().from(jobs);
      expect(job).toMatchObject({ state: "succeeded", attempt: 2, crashes: 0, crashStage: null });
      const [done] = await base.services.db
        .select()
        .from(requestTargets)
        .where(eq(requestTargets.requestId, request.id));
      expect(done).toMatchObject({ status: "succeeded", receipt: { equal: true, source: { moment: "snapshot" } } });
      expect(await checkpoints()).toBe(0);
      expect(readdirSync(source.jail.local(DISKS) ?? "").filter((each) => /supravisor|transfer/.test(each))).toEqual(
        [],
      );
      expect(await copies()).toEqual([done?.vmRef]);
      const entries = await base.services.db.select().from(ledger).orderBy(asc(ledger.seq));
      // Of both attempts on the source, of the first one on the pool.
      const gone = entries.filter(({ state }) => state === "removed").map(({ kind, hostId }) => `${kind} ${hostId}`);
      expect(gone.filter((each) => each === `snapshot ${from.id}`)).toHaveLength(2);
      expect(gone.filter((each) => each === `disk ${to.id}`)).toHaveLength(1);
      const kept = entries.filter(({ state }) => state !== "removed");
      expect(kept.map(({ kind, state, hostId }) => [kind, state, hostId])).toEqual([
        ["disk", "kept", to.id],
        ["vm", "kept", to.id],
      ]);
      compareByQemu(raw, await pool.file(written));
    });
  },
);
