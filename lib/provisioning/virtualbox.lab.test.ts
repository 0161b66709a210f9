/** The whole way onto a real VirtualBox and back: request, approval, job, receipt, capture. */
import { execFileSync } from "node:child_process";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { localTarget } from "#e2e/lab/virtualbox/host.ts";
import { virtualBoxLab, type VirtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { type hosts, imageDisks, imageVersions } from "#lib/db/schema.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { deployBench, until, type Bench } from "./testing.ts";

const reason = whyNoVirtualBox();
const PATIENCE_MS = 120_000;

describe.skipIf(reason !== null)(
  `a deploy to a real VirtualBox${reason === null ? "" : ` (skipped: ${reason})`}`,
  () => {
    let lab: VirtualBoxLab;
    let bench: Bench;
    let host: typeof hosts.$inferSelect;
    beforeAll(async () => {
      lab = virtualBoxLab();
      bench = await deployBench();
      host = await bench.addHost("lab-virtualbox", localTarget(lab));
    });
    afterAll(async () => {
      await bench.close();
      lab.stop();
    }, 60_000);

    it(
      "arrives bit for bit, and is captured again",
      async () => {
        const choice = await bench.choice(host, "Web 01 é", { start: false });
        expect(choice).toMatchObject({ poolRef: lab.machineFolder, diskFormat: "vdi", bus: "sata" });
        const done = await bench.ended(await bench.deploy(choice));
        expect(done.target.error).toBeNull();
        expect(done.target.receipt).toMatchObject({ equal: true, format: "vdi", vmName: "Web 01 é" });
        const file = done.target.receipt?.diskRef ?? "";
        const golden = bench.golden;
        execFileSync("qemu-img", ["compare", "-f", "raw", "-F", "vdi", golden, file], { stdio: "pipe" });

        const vmRef = done.target.receipt?.vmRef ?? "";
        const started = await until("the VM's row", async () => {
          try {
            const input = { hostId: host.id, vmRef, diskId: "SATA-0-0", imageId: null, name: "back", from: null };
            return await captureVm(bench.operator, input);
          } catch {
            return null;
          }
        });
        await until("the captured version", async () => {
          const [row] = await bench.services.db
            .select()
            .from(imageVersions)
            .where(eq(imageVersions.id, started.versionId));
          if (row?.state === "failed") throw new Error(JSON.stringify(row.error));
          return row?.state === "ready" ? row : null;
        });
        const [disk] = await bench.services.db
          .select()
          .from(imageDisks)
          .where(eq(imageDisks.versionId, started.versionId));
        expect(disk?.fingerprint).toBe(done.target.receipt?.imageFingerprint);
      },
      PATIENCE_MS,
    );

    it("a VM that this host cannot start is kept, stopped, and the receipt says why", async () => {
      const choice = await bench.choice(host, "no-start", { start: true });
      const done = await bench.ended(await bench.deploy(choice));
      expect(done.target).toMatchObject({
        status: "succeeded",
        error: null,
        receipt: { equal: true, note: expect.stringContaining("no-start was made, but its start on") as string },
      });
      expect(done.ledger.map((entry) => entry.state)).toEqual(["kept", "kept"]);
      expect(lab.vboxManage("showvminfo", "no-start", "--machinereadable")).toContain('VMState="poweroff"');
    });
  },
);
