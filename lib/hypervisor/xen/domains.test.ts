/** Domains of libxl as libvirt describes them, and those that are made here. */
import { describe, expect, it } from "vitest";
import { inBootOrder } from "#lib/domain/vm-rules.ts";
import type { VmSpec } from "../adapter.ts";
import { mapDomain } from "../libvirt/map-domain.ts";
import { parseXml, textAt } from "../libvirt/xml.ts";
import type { XenHost } from "./capabilities.ts";
import { xenDomainXml } from "./define-domain.ts";

/** As libvirt 9.0 on Xen 4.17 tells it of a paravirtual guest. */
const PV = `<domain type='xen' id='3'>
  <name>tiny-pv</name>
  <uuid>325c944c-311b-4e01-b0cf-baa0386771be</uuid>
  <memory unit='KiB'>131072</memory>
  <currentMemory unit='KiB'>131072</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
    <kernel>/var/lib/xen/images/tiny/vmlinuz</kernel>
    <initrd>/var/lib/xen/images/tiny/initrd.gz</initrd>
    <cmdline>console=hvc0 quiet</cmdline>
  </os>
  <clock offset='utc' adjustment='reset'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/var/lib/xen/images/tiny/disk.raw'/>
      <target dev='xvda' bus='xen'/>
    </disk>
    <controller type='xenbus' index='0'/>
    <interface type='bridge'>
      <mac address='00:16:3e:00:00:01'/>
      <source bridge='xenbr0'/>
    </interface>
    <console type='pty'>
      <target type='xen' port='0'/>
    </console>
    <input type='mouse' bus='xen'/>
    <input type='keyboard' bus='xen'/>
    <memballoon model='xen'/>
  </devices>
</domain>`;

const PVH = PV.replace(" id='3'", "").replace("machine='xenpv'>linux", "machine='xenpvh'>xenpvh");

/** Likewise of a fully virtualised one. */
const HVM = `<domain type='xen'>
  <name>tiny-hvm</name>
  <uuid>d7106214-7f3c-4862-b9ac-047a56a8e870</uuid>
  <memory unit='KiB'>196608</memory>
  <currentMemory unit='KiB'>196608</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenfv'>hvm</type>
    <loader type='rom'>/usr/lib/xen/boot/hvmloader</loader>
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <apic/>
    <pae/>
  </features>
  <clock offset='variable' adjustment='0' basis='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/var/lib/xen/images/tiny/disk.raw'/>
      <target dev='xvda' bus='xen'/>
    </disk>
    <controller type='xenbus' index='0'/>
    <interface type='bridge'>
      <mac address='00:16:3e:00:00:03'/>
      <source bridge='xenbr0'/>
      <model type='e1000'/>
    </interface>
    <serial type='pty'>
      <target port='0'/>
    </serial>
    <console type='pty'>
      <target type='serial' port='0'/>
    </console>
    <input type='mouse' bus='ps2'/>
    <input type='keyboard' bus='ps2'/>
    <memballoon model='xen'/>
  </devices>
</domain>`;

describe("guests of libxl", () => {
  it("are paravirtual without a firmware", async () => {
    expect(await mapDomain(PV, 1, [])).toMatchObject({
      name: "tiny-pv",
      state: "running",
      machine: "PV",
      firmware: null,
      secureBoot: null,
      memory: 128 * 1024 ** 2,
      // Sizes come from the pool, if any: libxl tells none, and none is not zero.
      disks: [{ id: "xvda", bus: "xen", format: "raw", capacity: null, allocated: null, captureBlocker: null }],
      nics: [{ model: "netfront", networkRef: "bridge:xenbr0", networkName: "xenbr0" }],
      snapshots: [],
      tag: null,
    });
    const two = PV.replace("</disk>", "</disk><disk type='file'><target dev='xvdb'/><boot order='2'/></disk>").replace(
      "</disk><disk type='file'>",
      "</disk><disk type='file'><target dev='xvdc'/><boot order='1'/></disk><disk type='file'>",
    );
    expect(inBootOrder((await mapDomain(two, 5, [])).disks).map(({ id }) => id)).toEqual(["xvdc", "xvda", "xvdb"]);
    expect(await mapDomain(PVH, 5, [])).toMatchObject({ machine: "PVH", firmware: null, state: "stopped" });
  });

  it("are fully virtualised with BIOS or UEFI", async () => {
    expect(await mapDomain(HVM, 5, [])).toMatchObject({
      name: "tiny-hvm",
      machine: "xenfv",
      firmware: "bios",
      secureBoot: false,
      cpus: 1,
      disks: [{ id: "xvda", bus: "xen", captureBlocker: null }],
      nics: [{ model: "e1000", networkRef: "bridge:xenbr0" }],
    });
    const others = HVM.replace(
      /<disk[^]*<\/disk>/,
      `<disk type='block' device='disk'><driver name='phy' type='raw'/><source dev='/dev/vg0/win'/><target dev='hda' bus='ide'/></disk>
       <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>`,
    );
    const [block, ...rest] = (await mapDomain(others, 5, [])).disks;
    expect(rest).toEqual([]);
    expect(block).toMatchObject({ id: "hda", bus: "ide", source: "/dev/vg0/win", capacity: null });
    // Whether it is a volume of a pool, the pools tell.
    expect(block?.captureBlocker).toBeNull();
    const uefi = HVM.replace(
      /<loader type='rom'>[^<]*/,
      "<loader readonly='yes' type='pflash'>/usr/lib/xen/boot/ovmf.bin",
    );
    expect((await mapDomain(uefi, 5, [])).firmware).toBe("uefi");
  });
});

describe("a new domain", () => {
  const host = (more: Partial<XenHost> = {}): XenHost => ({
    hvm: true,
    ovmf: "/usr/lib/xen/boot/ovmf.bin",
    arch: "x86_64",
    cpuModel: null,
    capabilities: {} as XenHost["capabilities"],
    ...more,
  });
  const resource = { kind: "disk" as const, ref: "default/a.img", label: "a" };
  const spec: VmSpec = {
    name: `Web "1" & <ünïcode>`,
    cpus: 2,
    memory: 256 * 1024 ** 2,
    firmware: "bios",
    secureBoot: false,
    guest: null,
    placement: {},
    disks: [
      { resource, format: "raw", bus: "xen" },
      { resource, format: "qcow2", bus: "ide" },
    ],
    nics: [
      { networkRef: "bridge:xenbr0", model: "rtl8139", mac: "52:54:00:00:00:01" },
      { networkRef: "default", model: "netfront", mac: null },
    ],
    description: "it's <new>",
  };
  const tag = "0b6f1a86-5d1e-4b1f-9d53-0d8b5a9d7f11";
  const places = ["/pool/a.img", "/pool/b'&.qcow2"].map((path) => ({ path, block: false }));

  it("comes back as it was asked for", async () => {
    const vm = await mapDomain(xenDomainXml(spec, tag, host(), places), 5, []);
    expect(vm).toMatchObject({
      ref: tag,
      tag,
      name: spec.name,
      cpus: 2,
      memory: spec.memory,
      firmware: "bios",
      description: spec.description,
      disks: [
        { id: "xvda", bus: "xen", format: "raw", source: "/pool/a.img" },
        { id: "hdb", bus: "ide", format: "qcow2", source: "/pool/b'&.qcow2" },
      ],
      nics: [
        { mac: "52:54:00:00:00:01", model: "rtl8139", networkRef: "bridge:xenbr0" },
        { model: "netfront", networkRef: "default" },
      ],
    });
    expect((await mapDomain(xenDomainXml({ ...spec, firmware: "uefi" }, tag, host(), places), 5, [])).firmware).toBe(
      "uefi",
    );
  });

  it("is paravirtual where the processors allow no other, and GRUB's menu is read from its disk", async () => {
    const xml = xenDomainXml(spec, tag, host({ hvm: false, ovmf: null }), places);
    expect(await mapDomain(xml, 5, [])).toMatchObject({
      machine: "PV",
      firmware: null,
      nics: [{ model: "netfront" }, {}],
    });
    expect(textAt(await parseXml(xml, "domain"), "bootloader")).toBe("pygrub");
  });
});
