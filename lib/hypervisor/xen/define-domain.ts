/** The XML of a new Xen domain. Every word that comes from outside is escaped. */
import type { NicModel } from "#lib/domain/hardware.ts";
import type { VmSpec } from "../adapter.ts";
import { interfaceXml } from "../libvirt/host-network.ts";
import { NAMESPACE } from "../libvirt/map-domain.ts";
import type { DiskPlace } from "../libvirt/storage/disk-place.ts";
import { escapeXml as x } from "../libvirt/xml.ts";
import type { XenHost } from "./capabilities.ts";

const NIC: Partial<Record<NicModel, string>> = { netfront: "netfront", rtl8139: "rtl8139", e1000: "e1000" };

/** A paravirtual guest has no choice of cards. */
const nicXml = (nic: VmSpec["nics"][number], hvm: boolean): string =>
  interfaceXml(nic, hvm ? (NIC[nic.model] ?? "netfront") : null);

function bootXml({ hvm, ovmf, arch }: XenHost, spec: VmSpec): string {
  if (!hvm)
    return `  <bootloader>pygrub</bootloader>
  <os>
    <type arch='${x(arch)}' machine='xenpv'>linux</type>
  </os>`;
  const loader =
    spec.firmware === "uefi" && ovmf !== null ? `\n    <loader readonly='yes' type='pflash'>${x(ovmf)}</loader>` : "";
  return `  <os>
    <type arch='${x(arch)}' machine='xenfv'>hvm</type>${loader}
    <boot dev='hd'/>
  </os>
  <features><acpi/><apic/><pae/></features>`;
}

/** `places`: the disks on the host, in the spec's order. */
export function xenDomainXml(spec: VmSpec, tag: string, host: XenHost, places: readonly DiskPlace[]): string {
  const disks = spec.disks.map((disk, index) => {
    // Names count over both buses: xvda and hda are the same device to the firmware.
    const target = `${disk.bus === "ide" ? "hd" : "xvd"}${String.fromCharCode(97 + (index % 26))}`;
    const { path, block } = places[index] ?? { path: "", block: false };
    // Devices of the host go to the guest without QEMU between.
    const driver = block
      ? "<driver name='phy' type='raw'/>"
      : `<driver name='qemu' type='${disk.format === "qcow2" ? "qcow2" : "raw"}'/>`;
    return `    <disk type='${block ? "block" : "file"}' device='disk'>
      ${driver}
      <source ${block ? "dev" : "file"}='${x(path)}'/>
      <target dev='${target}' bus='${disk.bus === "ide" ? "ide" : "xen"}'/>
    </disk>`;
  });
  const console = host.hvm
    ? `    <serial type='pty'/>
    <console type='pty'><target type='serial'/></console>
    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>
    <video><model type='vga' vram='16384'/></video>`
    : "    <console type='pty'><target type='xen'/></console>";
  return `<domain type='xen'>
  <name>${x(spec.name)}</name>
  <uuid>${x(tag)}</uuid>
  <description>${x(spec.description)}</description>
  <metadata>
    <supravisor:vm xmlns:supravisor='${NAMESPACE}' tag='${x(tag)}'/>
  </metadata>
  <memory unit='b'>${spec.memory}</memory>
  <vcpu>${spec.cpus}</vcpu>
${bootXml(host, spec)}
  <clock offset='${spec.guest?.family === "windows" ? "localtime" : "utc"}'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
${[...disks, ...spec.nics.map((nic) => nicXml(nic, host.hvm))].join("\n")}
${console}
  </devices>
</domain>
`;
}
