import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { hostileLines } from "#lib/testing/hostile-text.ts";
import { type ArchiveFiles, folderImage } from "../../testing/archives.ts";
import type { OpenedContainer } from "../container.ts";
import { openContainer } from "../open.ts";
import { readVmx } from "./vmx.ts";

const MIB = 1024 ** 2;
const raw = Buffer.alloc(MIB, "bytes of a disk ");
const flat = (name: string): ArchiveFiles => ({
  [`${name}.vmdk`]: `# Disk DescriptorFile\nversion=1\nCID=123a681b\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW ${MIB / 512} FLAT "${name}-flat.vmdk" 0\n`,
  [`${name}-flat.vmdk`]: raw,
});

async function opened<T>(
  name: string,
  files: ArchiveFiles,
  use: (container: OpenedContainer) => T | Promise<T>,
): Promise<T> {
  await using container = await openContainer(folderImage(name, files));
  if (container === null) throw new Error("no machine");
  return await use(container);
}
const entries = ({ disks }: OpenedContainer): string[] => disks.map(({ entry }) => entry);

describe("VMware", () => {
  const vmx = (...lines: string[]): string => `.encoding = "windows-1252"\nconfig.version = "8"\n${lines.join("\n")}\n`;

  it("hardware, and disks by controller and place", async () => {
    const text = vmx(
      'displayName = "web |22one|22"',
      'numvcpus = "4"',
      'memsize = "2048"',
      'firmware = "efi"',
      'uefi.secureBoot.enabled = "TRUE"',
      'guestOS = "debian12-64"',
      'virtualHW.version = "19"',
      'scsi0.virtualDev = "pvscsi"',
      'scsi0:10.fileName = "c.vmdk"',
      'SCSI0:2.FileName = "b.vmdk"',
      'scsi0:0.fileName = "/vmfs/volumes/store/web/a.vmdk"',
      'scsi0:3.present = "FALSE"',
      'scsi0:3.fileName = "gone.vmdk"',
      'ide1:0.deviceType = "cdrom-image"',
      'ide1:0.fileName = "tools.iso"',
      'ethernet0.present = "TRUE"',
      'ethernet0.virtualDev = "vmxnet3"',
      'ethernet0.generatedAddress = "00:0c:29:01:02:03"',
    );
    await opened(
      "web.vmx",
      { "web.vmx": text, ...flat("a"), ...flat("b"), ...flat("c"), "web.nvram": "x" },
      async (machine) => {
        expect(machine).toMatchObject({
          kind: "vmx",
          machine: 'web "one"',
          hints: { cpus: 4, memory: 2048 * MIB, firmware: "uefi", bus: "pvscsi", nic: "vmxnet3" },
          details: { hardware: "vmx-19", nics: 1, macs: "00:0c:29:01:02:03", guestId: "debian12-64", secureBoot: true },
        });
        expect(entries(machine)).toEqual(["a.vmdk", "b.vmdk", "c.vmdk"]);
        expect(machine.notes.join()).toMatch(/names \/vmfs\/volumes\/store\/web\/a\.vmdk/);
        await using disk = (await machine.disks[0]?.open()) ?? expect.unreachable();
        expect(disk.facts).toMatchObject({
          format: "vmdk",
          virtualSize: MIB,
          files: expect.arrayContaining(["a-flat.vmdk"]),
        });
      },
    );
  });

  it("a disk that is missing, a machine that is encrypted, one without disks", async () => {
    const code = (text: string) =>
      opened("a.vmx", { "a.vmx": text }, () => "opened").catch((error: { code?: string }) => error.code);
    expect(await code(vmx('scsi0:0.fileName = "../other/a.vmdk"'))).toBe("image.sibling-missing");
    expect(await code(vmx('encryption.keySafe = "vmware:key/list/x"'))).toBe("image.encrypted");
    expect(await code(vmx('displayName = "a"'))).toBe("image.no-disks");
  });

  it("the disk that the firmware is told to start from is the first", async () => {
    const text = vmx('scsi0:0.fileName = "a.vmdk"', 'scsi0:1.fileName = "b.vmdk"', 'bios.hddOrder = "scsi0:1"');
    expect(await opened("a.vmx", { "a.vmx": text, ...flat("a"), ...flat("b") }, entries)).toEqual(["b.vmdk", "a.vmdk"]);
  });

  growsLinearly({
    parse: (text: string) => readVmx("a.vmx", text),
    worst: hostileLines('scsi0:{}.fileName = "a.vmdk"\n'),
    most: MIB,
  });
});

it("VirtualBox: hardware, and disks by controller and port", async () => {
  const text = `<?xml version="1.0"?><VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
<Machine uuid="{1}" name="web" OSType="Debian_64"><MediaRegistry><HardDisks>
<HardDisk uuid="{A1}" location="a.vmdk" format="VMDK"/><HardDisk uuid="{b1}" location="Snapshots/b.vmdk" format="VMDK"/></HardDisks></MediaRegistry>
<Hardware><CPU count="2"/><Memory RAMSize="512"/><Firmware type="EFI"/>
<Network><Adapter slot="0" enabled="true" MACAddress="080027010203" type="virtio"/><Adapter slot="1" enabled="false"/></Network>
<StorageControllers><StorageController name="SATA" type="AHCI">
<AttachedDevice type="HardDisk" port="1" device="0"><Image uuid="{b1}"/></AttachedDevice>
<AttachedDevice type="DVD" port="2" device="0"/>
<AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{a1}"/></AttachedDevice>
</StorageController></StorageControllers></Hardware></Machine></VirtualBox>`;
  await opened("web.vbox", { "web.vbox": text, ...flat("a"), ...flat("b") }, (machine) => {
    expect(machine).toMatchObject({
      kind: "vbox",
      machine: "web",
      hints: { cpus: 2, memory: 512 * MIB, firmware: "uefi", bus: "sata", nic: "virtio" },
      details: { nics: 1, macs: "080027010203", guestId: "Debian_64" },
    });
    expect(entries(machine)).toEqual(["a.vmdk", "b.vmdk"]);
  });
});

describe("Hyper-V", () => {
  it("the older XML, in UTF-16 and with paths of Windows", async () => {
    const drive = (n: number, path: string) =>
      `<drive${n}><pathname type="string">${path}</pathname><type type="string">VHD</type></drive${n}>`;
    const text = `\ufeff<?xml version="1.0" encoding="UTF-16" standalone="yes"?><configuration>
<_d422512d-2bf2-4752-809d-7b82b5fcb1b4_><controller0>${drive(0, "D:\\VMs\\web\\b.vhd")}</controller0></_d422512d-2bf2-4752-809d-7b82b5fcb1b4_>
<_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0>${drive(0, "D:\\VMs\\web\\a.vhd")}${drive(1, "D:\\tools.iso")}</controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
<properties><name type="string">web</name><subtype type="integer">0</subtype></properties>
<settings><memory><bank><size type="integer">1024</size></bank></memory><processors><count type="integer">2</count></processors></settings></configuration>`;
    await opened("web.xml", { "web.xml": Buffer.from(text, "utf16le"), "a.vhd": raw, "b.vhd": raw }, (machine) => {
      expect(machine).toMatchObject({
        kind: "hyperv",
        machine: "web",
        hints: { cpus: 2, memory: 1024 * MIB, firmware: "bios" },
      });
      expect(entries(machine)).toEqual(["a.vhd", "b.vhd"]);
    });
  });

  it("the binary settings are not read, which is said; beside others nothing is guessed", async () => {
    await opened("web.vmcx", { "web.vmcx": "\0\x01", "a.vhdx": raw }, (machine) => {
      expect(machine).toMatchObject({ kind: "hyperv", machine: null, hints: { cpus: null } });
      expect(machine.notes.join()).toMatch(/\.vmcx\) are not read/);
    });
    const two = { "web.vmcx": "\0", "db.vmcx": "\0", "a.vhdx": raw };
    await expect(opened("web.vmcx", two, () => null)).rejects.toMatchObject({ code: "image.machine-unsaid" });
  });
});
