/** From every vendor to every vendor: a VM's disk is captured on one host and deployed on another, and is the same. */
import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareByQemu, type EstateHost, START, WHY_NOT } from "#e2e/lab/estate.ts";
import { planConversion } from "#lib/disk/convert.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import { fingerprintStream } from "#lib/disk/fingerprint-stream.ts";
import { VENDORS, type Vendor } from "#lib/domain/hardware.ts";
import type { HostDisk, HypervisorAdapter, ResourceRef, VmSpec } from "#lib/hypervisor/adapter.ts";
import { PRODUCTS } from "#lib/hypervisor/demo/products.ts";
import { fillDisk } from "#lib/hypervisor/fill-disk.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { captureImage } from "#lib/library/capture-image.ts";

const MIB = 1_048_576;
const SIZE = 12 * MIB;

const hosts = new Map<Vendor, EstateHost>();
const adapters = new Map<Vendor, HypervisorAdapter>();
/** What each host's VM holds, as raw files, and what was captured of it. */
const truths = new Map<Vendor, string>();
const images = new Map<Vendor, string>();
let folder: string;

function makeTruth(vendor: Vendor): string {
  const path = join(folder, `${vendor}.raw`);
  const fd = openSync(path, "w");
  ftruncateSync(fd, SIZE);
  writeSync(fd, Buffer.alloc(MIB, `boot ${vendor} `), 0, MIB, 0);
  writeSync(fd, Buffer.alloc(300_000, `middle ${vendor} `), 0, 300_000, 5 * MIB + 12_345);
  writeSync(fd, Buffer.alloc(4096, `end ${vendor} `), 0, 4096, SIZE - 4096);
  closeSync(fd);
  return path;
}

async function deploy(
  vendor: Vendor,
  image: string,
): Promise<{ vmRef: string; diskId: string; resource: ResourceRef }> {
  const host = hosts.get(vendor)!;
  const adapter = adapters.get(vendor)!;
  const { capabilities } = adapter;
  const format = capabilities.diskFormats[0]!;
  const options = capabilities.formatOptions[format] ?? {};
  await using opened = await openInspection(image);
  const { fileLength } = await planConversion(opened.disk, format, options);
  const name = `pair-${randomUUID().slice(0, 8)}`;
  const disk = {
    poolRef: host.poolRef,
    name: `${name}-disk`,
    format,
    virtualSize: opened.disk.size,
    fileLength,
    placement: {},
  };
  const created = await adapter.createDisk(disk);
  await fillDisk(created, { disk: opened.disk, to: format, options });
  const firmware = capabilities.firmware.find(({ available }) => available)!;
  const spec: VmSpec = {
    name,
    cpus: 1,
    memory: 256 * MIB,
    firmware: firmware.firmware,
    secureBoot: false,
    guest: null,
    placement: {},
    disks: [{ resource: created.resource, format, bus: firmware.bootBuses[0]! }],
    nics: host.networkRef === null ? [] : [{ networkRef: host.networkRef, model: capabilities.nics[0]!, mac: null }],
    description: "made by the test of pairs",
  };
  const vm = await adapter.createVm(spec, randomUUID());
  return { vmRef: vm.ref, diskId: vm.disks[0]!.id, resource: created.resource };
}

const fingerprintOf = (opened: HostDisk): Promise<string> =>
  opened.access === "random"
    ? fingerprintDisk(opened.disk)
    : fingerprintStream(opened.stream, { spool: { folder, name: randomUUID() } });

async function fingerprintOfFile(path: string): Promise<string> {
  await using image = await openInspection(path);
  return await fingerprintDisk(image.disk);
}

const here = VENDORS.filter((vendor) => WHY_NOT[vendor]() === null);

describe("capture, convert, deploy", () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "supravisor-pairs-"));
    for (const vendor of here) {
      const host = await START[vendor]();
      hosts.set(vendor, host);
      adapters.set(vendor, await openHost(host.target, host.secret));
      truths.set(vendor, makeTruth(vendor));
    }
  }, 240_000);
  afterAll(async () => {
    for (const adapter of adapters.values()) await adapter[Symbol.asyncDispose]();
    for (const host of hosts.values()) await host.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  for (const source of VENDORS) {
    const missing = WHY_NOT[source]();
    describe.skipIf(missing !== null)(`from ${source}${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
      it("offers what the simulated host of its vendor shows", () => {
        const real = adapters.get(source)!.capabilities;
        const shown = PRODUCTS[source].capabilities;
        // A release of the peer may be too old for NVMe, and a host may lack UEFI: no other difference is one of releases.
        const known = <T extends string>(words: readonly T[], told: readonly T[]) =>
          words.filter((word) => word !== "nvme" || told.includes(word));
        expect(shown.packages).toEqual(real.packages);
        for (const list of ["diskFormats", "buses", "nics"] as const) {
          expect(known<string>(shown[list], real[list]), list).toEqual(real[list]);
        }
        expect(shown.formatOptions).toEqual(real.formatOptions);
        expect(Object.keys(shown.limits.maxDiskSize).sort()).toEqual(Object.keys(real.limits.maxDiskSize).sort());
        for (const flag of ["captureRunning", "canReadBack", "sparseTransfer", "hasConsoleLog"] as const) {
          expect(shown[flag], flag).toBe(real[flag]);
        }
        for (const firmware of real.firmware.filter(({ available }) => available)) {
          const other = shown.firmware.find((each) => each.firmware === firmware.firmware);
          expect(other?.label).toBe(firmware.label);
          expect(known(other?.bootBuses ?? [], firmware.bootBuses)).toEqual(firmware.bootBuses);
          expect(other?.limits).toEqual(firmware.limits);
          expect(other?.secureBootTrusts).toEqual(firmware.secureBootTrusts);
        }
      });

      it("is captured as it is", { timeout: 60_000 }, async () => {
        const host = hosts.get(source)!;
        const truth = truths.get(source)!;
        const { vmRef, diskId } = await deploy(source, truth);
        const into = join(folder, `library-${source}`);
        mkdirSync(into);
        const captured = await captureImage(
          {
            target: host.target,
            secret: host.secret,
            dataDir: folder,
            vmRef,
            plan: await adapters.get(source)!.planCapture(vmRef, [diskId], randomUUID()),
            disks: [{ diskId, fileName: "disk.qcow2" }],
            folder: into,
            free: 10 * 2 ** 30,
          },
          new AbortController().signal,
          () => undefined,
        );
        expect(captured.fingerprints).toEqual([await fingerprintOfFile(truth)]);
        compareByQemu(truth, { path: join(into, "disk.qcow2"), driver: "qcow2" });
        images.set(source, join(into, "disk.qcow2"));
      });

      for (const target of VENDORS) {
        const absent = WHY_NOT[target]();
        it.skipIf(absent !== null)(
          `runs on ${target}${absent === null ? "" : ` (skipped: ${absent})`}`,
          { timeout: 60_000 },
          async () => {
            const truth = truths.get(source)!;
            const { vmRef, diskId, resource } = await deploy(target, images.get(source)!);
            const adapter = adapters.get(target)!;
            const tag = randomUUID();
            const needed = await adapter.planCapture(vmRef, [diskId], tag);
            {
              await using opened = await adapter.openDisk(vmRef, diskId, needed);
              expect(await fingerprintOf(opened)).toBe(await fingerprintOfFile(truth));
            }
            for (const each of [...needed.resources].reverse()) await adapter.remove(each);
            const vm = await adapter.vm(vmRef);
            const place = target === "vmware" ? { ...resource, ref: vm.disks[0]!.source! } : resource;
            compareByQemu(truth, await hosts.get(target)!.file(place));
          },
        );
      }
    });
  }
});
