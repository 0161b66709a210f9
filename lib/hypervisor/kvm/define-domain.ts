/** The XML of a new domain. Every word that comes from outside is escaped. */
import type { DiskBus, NicModel } from "#lib/domain/hardware.ts";
import type { VmSpec } from "../adapter.ts";
import { interfaceXml } from "../libvirt/host-network.ts";
import { NAMESPACE } from "../libvirt/map-domain.ts";
import type { DiskPlace } from "../libvirt/storage/disk-place.ts";
import { escapeXml as x } from "../libvirt/xml.ts";
import type { KvmHost } from "./capabilities.ts";

/** What the host says that a definition depends on. */
export type DefiningHost = Pick<KvmHost, "version" | "virtType" | "arch" | "hyperv">;

/** `<firmware>` with its features: an older libvirt ignores it. */
const FIRMWARE_FEATURES = 7_002_000;
/** From then on these features are enough for Secure Boot. */
const FEATURES_SUFFICE = 8_006_000;
/** `maximum` is the best that QEMU emulates. */
const CPU_MAXIMUM = 7_001_000;

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

/**
 * Secure Boot without the usual keys enrolled would check nothing; and firmware that could check signatures checks none
 * without keys, so that only these are ruled out where none are to be checked: many hosts have no other firmware. Up to
 * libvirt 8.5 the features alone are not enough for Secure Boot: the loader must be named as secure too.
 */
function firmwareXml(spec: VmSpec, version: number): string {
  if (spec.firmware !== "uefi") return "";
  const [names, enabled] = spec.secureBoot ? [["secure-boot", "enrolled-keys"], "yes"] : [["enrolled-keys"], "no"];
  const features = names.map((name) => `\n      <feature enabled='${enabled}' name='${name}'/>`).join("");
  const choice = version < FIRMWARE_FEATURES ? "" : `\n    <firmware>${features}\n    </firmware>`;
  const named = version < (spec.secureBoot ? FEATURES_SUFFICE : FIRMWARE_FEATURES);
  const loader = named ? `\n    <loader secure='${enabled}'/>` : "";
  return choice + loader;
}

/** Enlightenments that every QEMU of these days has, and those that are taken where the host names them. */
const HYPERV = ["relaxed", "vapic", "spinlocks"];
const MORE_HYPERV = ["vpindex", "runtime", "synic", "stimer", "frequencies"];

const isWindows = ({ guest }: VmSpec): boolean => guest?.family === "windows";

/** Windows spins and polls less where it knows that it is virtual. */
function hypervXml(spec: VmSpec, { virtType, hyperv }: DefiningHost): string {
  if (!isWindows(spec) || virtType !== "kvm") return "";
  const on = hyperv === null ? HYPERV : [...HYPERV, ...MORE_HYPERV].filter((name) => hyperv.includes(name));
  const elements = on.map((name) => `<${name} state='on'${name === "spinlocks" ? " retries='8191'" : ""}/>`);
  return elements.length === 0 ? "" : `<hyperv>${elements.join("")}</hyperv>`;
}

/** Windows takes the hardware's clock for its local time, and catches lost ticks up. */
function clockXml(spec: VmSpec, { virtType }: DefiningHost): string {
  if (!isWindows(spec)) return "  <clock offset='utc'/>";
  const timers = [
    "<timer name='rtc' tickpolicy='catchup'/>",
    ...(virtType === "kvm" ? ["<timer name='pit' tickpolicy='delay'/>"] : []),
    "<timer name='hpet' present='no'/>",
    ...(virtType === "kvm" ? ["<timer name='hypervclock' present='yes'/>"] : []),
  ];
  return `  <clock offset='localtime'>\n${timers.map((timer) => `    ${timer}\n`).join("")}  </clock>`;
}

/** Windows for clients uses two sockets at most, and as many cores as there are. */
function cpuXml(spec: VmSpec, { virtType, version }: DefiningHost): string {
  const mode = virtType === "kvm" ? " mode='host-model'" : version < CPU_MAXIMUM ? "" : " mode='maximum'";
  const topology = isWindows(spec) ? `<topology sockets='1' cores='${spec.cpus}' threads='1'/>` : "";
  if (topology !== "") return `\n  <cpu${mode}>${topology}</cpu>`;
  return mode === "" ? "" : `\n  <cpu${mode}/>`;
}

/** `places`: the disks on the host, in the spec's order. */
export function domainXml(spec: VmSpec, tag: string, host: DefiningHost, places: readonly DiskPlace[]): string {
  const machine = machineFor(spec.disks.map((disk) => disk.bus));
  const counters = new Map<string, number>();
  const disks = spec.disks.map((disk, index) => {
    const prefix = PREFIX[disk.bus] ?? "sd";
    const number = counters.get(prefix) ?? 0;
    counters.set(prefix, number + 1);
    const { path, block } = places[index] ?? { path: "", block: false };
    return `    <disk type='${block ? "block" : "file"}' device='disk'>
      <driver name='qemu' type='${disk.format === "vhd" ? "vpc" : disk.format}' discard='unmap'/>
      <source ${block ? "dev" : "file"}='${x(path)}'/>
      <target dev='${prefix}${String.fromCharCode(97 + (number % 26))}' bus='${BUS[disk.bus] ?? "virtio"}'/>
      <boot order='${index + 1}'/>
    </disk>`;
  });
  const nics = spec.nics.map((nic) => interfaceXml(nic, NIC[nic.model] ?? "virtio"));
  const scsi = spec.disks.some((disk) => disk.bus === "virtio-scsi")
    ? "\n    <controller type='scsi' model='virtio-scsi'/>"
    : "";
  return `<domain type='${host.virtType}'>
  <name>${x(spec.name)}</name>
  <uuid>${x(tag)}</uuid>
  <description>${x(spec.description)}</description>
  <metadata>
    <supravisor:vm xmlns:supravisor='${NAMESPACE}' tag='${x(tag)}'/>
  </metadata>
  <memory unit='b'>${spec.memory}</memory>
  <vcpu>${spec.cpus}</vcpu>
  <os${spec.firmware === "uefi" ? " firmware='efi'" : ""}>
    <type arch='${x(host.arch)}' machine='${machine}'>hvm</type>${firmwareXml(spec, host.version)}
  </os>
  <features><acpi/><apic/>${hypervXml(spec, host)}${spec.secureBoot ? "<smm state='on'/>" : ""}</features>${cpuXml(spec, host)}
${clockXml(spec, host)}
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
${disks.join("\n")}${scsi}
${nics.join("\n")}
    <serial type='pty'/>
    <console type='pty'><target type='serial'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <input type='tablet' bus='usb'/>
    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>
    <video><model type='vga'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
`;
}
