/** The real VirtualBox: imports the machines that we pack, and we read those that it exports. */
import { afterAll, describe, expect, it } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { virtualBoxLab, type VirtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import type { DiskBus, Firmware } from "#lib/domain/hardware.ts";
import { convertFile, openInspection } from "../file-conversion.ts";
import { createFileSink } from "../files/file-sink.ts";
import { openImageFile } from "../files/image-file.ts";
import { Scratch } from "../testing/scratch.ts";
import { openContainer } from "./open.ts";
import { PACKAGE_WRITERS } from "./write.ts";

const MIB = 1024 ** 2;
const reason = whyNoVirtualBox();

describe.skipIf(reason !== null)(`VirtualBox${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  const scratch = new Scratch();
  let lab: VirtualBoxLab | null = null;
  const vboxManage = (...args: string[]): string => (lab ??= virtualBoxLab()).vboxManage(...args);
  afterAll(() => {
    lab?.stop();
    scratch[Symbol.dispose]();
  });
  const raws = () => [
    scratch.raw("one.raw", 20 * MIB, [[3 * MIB, 2 * MIB]]),
    scratch.raw("two.raw", 5 * MIB, [[5 * MIB - 512, 512]]),
  ];

  it.each([
    ["vmware", "bios", "sata"],
    ["vmware", "bios", "pvscsi"],
    ["virtualbox", "bios", "ide"],
    ["virtualbox", "uefi", "sata"],
    ["virtualbox", "uefi", "sas"],
  ] as const)("imports an OVA for %s with %s and %s", async (target, firmware: Firmware, bus: DiskBus) => {
    const sources = raws();
    const path = scratch.path("ours.ova");
    const name = `m-${target}-${firmware}-${bus}`;
    await using one = await openInspection(sources[0] ?? "");
    await using two = await openInspection(sources[1] ?? "");
    await using sink = await createFileSink(path, { overwrite: true });
    const machine = { name, cpus: 3, memory: 768 * MIB, firmware, bus, nic: "e1000", guest: "linux" } as const;
    await PACKAGE_WRITERS.ova({ machine, disks: [one.disk, two.disk], sink, options: { target } });

    expect(vboxManage("import", path, "--dry-run")).toContain("Number of CPUs: 3");
    vboxManage("import", path);
    const told = vboxManage("showvminfo", name, "--machinereadable");
    expect(told).toContain(`firmware="${firmware === "uefi" ? "EFI" : "BIOS"}"`);
    expect(told).toContain("memory=768");
    const media = [...told.matchAll(/^"\w+-\d+-\d+"="(.*\.vmdk)"$/gm)].map(([, medium]) => medium ?? "");
    expect(media).toHaveLength(2);
    for (const [i, medium] of media.entries()) {
      const back = scratch.path(`back-${i}.raw`);
      vboxManage("clonemedium", "disk", medium, back, "--format", "RAW");
      scratch.qemuImg("compare", "-f", "raw", "-F", "raw", sources[i] ?? "", back);
      vboxManage("closemedium", "disk", back, "--delete");
    }
    vboxManage("unregistervm", name, "--delete");
  });

  it("exports machines in each version of OVF, which we read", async () => {
    const sources = raws();
    vboxManage("createvm", "--name", "theirs", "--ostype", "Debian_64", "--register");
    vboxManage("modifyvm", "theirs", "--firmware", "efi", "--memory", "640", "--cpus", "2", "--nic1", "nat");
    vboxManage("modifyvm", "theirs", "--nictype1", "82540EM");
    vboxManage("storagectl", "theirs", "--name", "SATA", "--add", "sata", "--controller", "IntelAhci");
    for (const [port, source] of sources.entries()) {
      const medium = scratch.path(`theirs-${port}.vdi`);
      await convertFile({ source, target: medium, to: "vdi", options: {} });
      const place = ["--storagectl", "SATA", "--port", String(port), "--type", "hdd"];
      vboxManage("storageattach", "theirs", ...place, "--medium", medium);
    }
    for (const [file, ...options] of [
      ["v09.ova", "--legacy09"],
      ["v10.ova", "--ovf10", "--manifest"],
      ["v20.ova", "--ovf20", "--manifest"],
      ["v20.ovf", "--ovf20", "--manifest"],
    ] as const) {
      const path = scratch.path(file);
      vboxManage("export", "theirs", "-o", path, ...options);
      await using image = await openImageFile(path);
      await using container = await openContainer(image);
      expect(container, file).toMatchObject({
        machine: "theirs",
        hints: { cpus: 2, memory: 640 * MIB, firmware: "uefi", bus: "sata", nic: "e1000" },
        details: { manifest: file === "v09.ova" ? "none" : file === "v10.ova" ? "sha1" : "sha256" },
      });
      for (const [i, source] of sources.entries()) {
        // The manifest is compared on the way.
        const target = scratch.path("theirs.raw");
        await convertFile({ source: path, target, to: "raw", options: {}, disk: i + 1, overwrite: true });
        scratch.qemuImg("compare", "-f", "raw", "-F", "raw", source, target);
      }
    }
    vboxManage("unregistervm", "theirs", "--delete");
  });
});
