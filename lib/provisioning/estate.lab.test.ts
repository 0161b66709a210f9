/** A XenServer pool and a Hyper-V host through the whole console: added, deployed to, started, captured while they run. */
import { and, eq, ne } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareByQemu, type EstateHost, START, WHY_NOT } from "#e2e/lab/estate.ts";
import { hosts, imageDisks, imageVersions, ledger } from "#lib/db/schema.ts";
import type { HostRow } from "#lib/inventory/host-access.ts";
import { findVm } from "#lib/inventory/vm-query.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { testPerson } from "#lib/services/testing.ts";
import { type Bench, deployBench, until } from "./testing.ts";

const PATIENCE_MS = 120_000;

for (const vendor of ["xen", "hyperv"] as const) {
  const reason = WHY_NOT[vendor]();
  describe.skipIf(reason !== null)(`${vendor} in the console${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
    let lab: EstateHost;
    let bench: Bench;
    let host: HostRow;
    let vmRef = "";

    beforeAll(async () => {
      lab = await START[vendor]();
      bench = await deployBench();
      const administrator = await testPerson(bench.services, "administrator");
      host = await addHost(administrator, { name: `lab-${vendor}`, target: lab.target, secret: lab.secret });
      expect(JSON.stringify(host)).not.toContain(lab.secret?.password ?? "?");
      await until("the host online", async () => {
        const [row] = await bench.services.db.select().from(hosts).where(eq(hosts.id, host.id));
        return row?.state === "online" ? row : null;
      });
    }, PATIENCE_MS);
    afterAll(async () => {
      await bench.close();
      await lab.stop();
    }, 60_000);

    it(
      "takes a deploy, starts it, and gives the disk back equal for the receipt",
      async () => {
        const choice = await bench.choice(host, "from-console", { start: true, poolRef: lab.poolRef });
        const outcome = await bench.ended(await bench.deploy(choice));
        expect(outcome.target.error).toBeNull();
        expect(outcome.target).toMatchObject({
          status: "succeeded",
          receipt: { equal: true, format: choice.diskFormat, vmName: "from-console" },
        });
        expect(outcome.ledger.map(({ kind, state }) => [kind, state])).toEqual([
          ["disk", "kept"],
          ["vm", "kept"],
        ]);
        vmRef = outcome.target.vmRef ?? "";
        const golden = bench.golden;
        const disk = outcome.ledger[0]!;
        compareByQemu(golden, await lab.file({ kind: "disk", ref: disk.ref, label: disk.label }));
      },
      PATIENCE_MS,
    );

    it(
      "lends the disk of the running VM to the library, and keeps nothing of the capture",
      async () => {
        const { db } = bench.services;
        const row = await until("the running VM's row", async () => {
          const found = await findVm(db, host.id, vmRef).catch(() => null);
          return found?.vm.state === "running" ? found.vm : null;
        });
        const diskId = row.disks[0]!.id;
        const input = { hostId: host.id, vmRef, diskId, imageId: null, name: `back from ${vendor}`, from: null };
        const started = await captureVm(bench.operator, input);
        await until("the captured version", async () => {
          const [version] = await db.select().from(imageVersions).where(eq(imageVersions.id, started.versionId));
          if (version?.state === "failed") throw new Error(JSON.stringify(version.error));
          return version?.state === "ready" ? version : null;
        });
        const [captured] = await db.select().from(imageDisks).where(eq(imageDisks.versionId, started.versionId));
        const [golden] = await db.select().from(imageDisks).where(eq(imageDisks.versionId, bench.versionId));
        expect(captured?.fingerprint).toBe(golden?.fingerprint);
        const left = await db
          .select()
          .from(ledger)
          .where(and(eq(ledger.hostId, host.id), ne(ledger.state, "kept")));
        expect(left.length).toBeGreaterThan(0);
        expect(left.every(({ state }) => state === "removed")).toBe(true);
      },
      PATIENCE_MS,
    );
  });
}
