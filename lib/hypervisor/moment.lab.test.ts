/** A VM that was started and stopped again while its disks were read: the host tells, though it stands still by then. */
import { randomUUID } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EstateHost, START, WHY_NOT } from "#e2e/lab/estate.ts";
import { planConversion } from "#lib/disk/convert.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import type { HypervisorAdapter, ResourceRef } from "./adapter.ts";
import { fillDisk } from "./fill-disk.ts";
import { lendDisk } from "./lend-disk.ts";
import { openHost } from "./registry.ts";

const MIB = 1_048_576;
const signal = new AbortController().signal;

for (const vendor of ["kvm", "xen", "hyperv"] as const) {
  const reason = WHY_NOT[vendor]();
  describe.skipIf(reason !== null)(`two moments on ${vendor}${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
    let lab: EstateHost;
    let adapter: HypervisorAdapter;
    let scratch: Scratch;
    let vmRef: string;
    let diskId: string;
    let resource: ResourceRef;

    beforeAll(async () => {
      lab = await START[vendor]();
      adapter = await openHost(lab.target, lab.secret);
      scratch = new Scratch();
      const format = adapter.capabilities.diskFormats[0]!;
      const options = adapter.capabilities.formatOptions[format] ?? {};
      const firmware = adapter.capabilities.firmware.find(({ available }) => available)!;
      await using image = await openInspection(scratch.raw("disk.raw", 4 * MIB, [[MIB, 65_536]]));
      const { fileLength } = await planConversion(image.disk, format, options);
      const name = `moment-${randomUUID().slice(0, 8)}`;
      const { poolRef } = lab;
      const disk = { poolRef, name, format, virtualSize: image.disk.size, fileLength, placement: {} };
      const created = await adapter.createDisk(disk);
      ({ resource } = created);
      await fillDisk(created, { disk: image.disk, to: format, options });
      const vm = await adapter.createVm(
        {
          name,
          cpus: 1,
          memory: 256 * MIB,
          firmware: firmware.firmware,
          secureBoot: false,
          guest: null,
          placement: {},
          disks: [{ resource, format, bus: firmware.bootBuses[0]! }],
          nics: [],
          description: "",
        },
        randomUUID(),
      );
      vmRef = vm.ref;
      diskId = vm.disks[0]!.id;
    }, 60_000);
    afterAll(async () => {
      await adapter[Symbol.asyncDispose]();
      await lab.stop();
      scratch[Symbol.dispose]();
    });

    const whileRead = async (meanwhile: () => Promise<void>): Promise<string> => {
      const lent = { vmRef, diskId, plan: await adapter.planCapture(vmRef, [diskId], randomUUID()) };
      expect(lent.plan.marks[diskId]).toMatch(/\S/);
      try {
        return await lendDisk(
          adapter,
          lent,
          async (opened) => {
            await meanwhile();
            if (opened.access === "once") for await (const piece of opened.stream.pieces()) void piece;
            return "read";
          },
          signal,
        ).catch((error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)));
      } finally {
        for (const each of lent.plan.resources) await adapter.remove(each);
      }
    };

    it("are told apart from one", { timeout: 40_000 }, async () => {
      expect(await whileRead(async () => undefined)).toBe("read");
      expect(await whileRead(async () => undefined)).toBe("read");
      const upAndDown = async (): Promise<void> => {
        await adapter.power(vmRef, "start");
        if (vendor === "kvm") {
          // This guest has no system that would write.
          const fd = openSync((await lab.file(resource)).path, "r+");
          writeSync(fd, Buffer.from([0]), 0, 1, 300_000);
          closeSync(fd);
        }
        await adapter.power(vmRef, "stop");
      };
      expect(await whileRead(upAndDown)).toBe("vm.running");
      expect(await whileRead(async () => undefined)).toBe("read");
    });
  });
}
