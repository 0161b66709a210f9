/** The XML of a new domain. Every word that comes from outside is escaped. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import type { VmSpec } from "../adapter.ts";
import { NAMESPACE } from "../libvirt/map-domain.ts";
import { escapeXml as x } from "../libvirt/xml.ts";

export interface DomainSetting {
  /** `kvm` or `qemu`. */
  readonly virtType: string;
  readonly arch: string;
  /** Paths of the disks on the host, in the spec's order. */
  readonly paths: readonly string[];
}

const PREFIX: Partial<Record<DiskBus, string>> = { virtio: "vd", ide: "hd" };
const BUS: Partial<Record<DiskBus, string>> = { virtio: "virtio", "virtio-scsi": "scsi", sata: "sata", ide: "ide" };
const NIC: Partial<Record<NicModel, string>> = {
  virtio: "virtio",
  e1000: "e1000",
  e1000e: "e1000e",
  rtl8139: "rtl8139",
};

/** The i440fx has IDE and no PCI Express; everything else belongs on q35. */
export function machineFor(buses: readonly DiskBus[]): string {
  return buses.includes("ide") ? "pc" : "q35";
}

/** Secure Boot without the usual keys enrolled would check nothing. */
function firmwareFeatures(spec: VmSpec): string {
  if (spec.firmware !== "uefi") return "";
  const names = spec.secureBoot ? ["secure-boot", "enrolled-keys"] : ["secure-boot"];
  const enabled = spec.secureBoot ? "yes" : "no";
  const features = names.map((name) => `      <feature enabled='${enabled}' name='${name}'/>\n`).join("");
  return `\n    <firmware>\n${features}    </firmware>`;
}

export function domainXml(spec: VmSpec, tag: string, setting: DomainSetting): string {
  const machine = machineFor(spec.disks.map((disk) => disk.bus));
  const counters = new Map<string, number>();
  const disks = spec.disks.map((disk, index) => {
    const prefix = PREFIX[disk.bus] ?? "sd";
    const number = counters.get(prefix) ?? 0;
    counters.set(prefix, number + 1);
    return `    <disk type='file' device='disk'>
      <driver name='qemu' type='${disk.format === "vhd" ? "vpc" : disk.format}' discard='unmap'/>
      <source file='${x(setting.paths[index] ?? "")}'/>
      <target dev='${prefix}${String.fromCharCode(97 + (number % 26))}' bus='${BUS[disk.bus] ?? "virtio"}'/>
      <boot order='${index + 1}'/>
    </disk>`;
  });
  const nics = spec.nics.map(
    (nic) => `    <interface type='network'>
      <source network='${x(nic.networkRef)}'/>
      <model type='${NIC[nic.model] ?? "virtio"}'/>${nic.mac === null ? "" : `\n      <mac address='${x(nic.mac)}'/>`}
    </interface>`,
  );
  const scsi = spec.disks.some((disk) => disk.bus === "virtio-scsi")
    ? "\n    <controller type='scsi' model='virtio-scsi'/>"
    : "";
  return `<domain type='${setting.virtType}'>
  <name>${x(spec.name)}</name>
  <uuid>${x(tag)}</uuid>
  <description>${x(spec.description)}</description>
  <metadata>
    <supravisor:vm xmlns:supravisor='${NAMESPACE}' tag='${x(tag)}'/>
  </metadata>
  <memory unit='b'>${spec.memory}</memory>
  <vcpu>${spec.cpus}</vcpu>
  <os${spec.firmware === "uefi" ? " firmware='efi'" : ""}>
    <type arch='${x(setting.arch)}' machine='${machine}'>hvm</type>${firmwareFeatures(spec)}
  </os>
  <features><acpi/><apic/>${spec.secureBoot ? "<smm state='on'/>" : ""}</features>
  <cpu mode='${setting.virtType === "kvm" ? "host-model" : "maximum"}'/>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
${disks.join("\n")}${scsi}
${nics.join("\n")}
    <serial type='pty'/>
    <console type='pty'><target type='serial'/></console>
    <input type='tablet' bus='usb'/>
    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>
    <video><model type='vga'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
`;
}
