/** The records of a new VM. It begins from nothing, so that no template's habits come along. */
import { AppError } from "#lib/errors.ts";
import type { VmSpec } from "../adapter.ts";
import { coresPerSocket } from "../cpu-sockets.ts";
import { TAG_KEY } from "./map-vm.ts";
import { NULL_REF } from "./records.ts";

/** Emulated IDE has room for four; a guest with Xen's own drivers takes the others over. */
const IDE_DISKS = 4;

/** What the guest's kind asks of the virtual machine. */
function platformOf(spec: VmSpec, hostCores: number): Record<string, string> {
  const windows = spec.guest?.family === "windows";
  const emulated = spec.nics[0]?.model;
  return {
    acpi: "1",
    apic: "true",
    pae: "true",
    nx: "true",
    hpet: "true",
    vga: "std",
    videoram: "8",
    "cores-per-socket": String(coresPerSocket(spec.cpus, { hostCores, windows })),
    // Windows' own interfaces to a hypervisor; other guests are slower with them.
    viridian: windows ? "true" : "false",
    ...(windows ? { viridian_time_ref_count: "true", viridian_reference_tsc: "true" } : {}),
    "device-model": spec.firmware === "uefi" ? "qemu-upstream-uefi" : "qemu-upstream-compat",
    ...(spec.firmware === "uefi" ? { secureboot: spec.secureBoot ? "true" : "false" } : {}),
    ...(emulated === "e1000" ? { nic_type: "e1000" } : {}),
  };
}

/** `affinity`: reference of the member to prefer, or none; `hostCores`: of the smallest processor of the pool. */
export function vmRecord(spec: VmSpec, tag: string, affinity: string, hostCores: number): Record<string, unknown> {
  if (spec.disks.filter((disk) => disk.bus === "ide").length > IDE_DISKS)
    throw new AppError("unprocessable", "host.refused", `A VM here has room for ${IDE_DISKS} IDE disks.`, {
      hint: "Put the disks on the bus “Xen PV”.",
    });
  return {
    name_label: spec.name,
    name_description: spec.description,
    user_version: 1,
    is_a_template: false,
    affinity,
    memory_static_max: spec.memory,
    memory_dynamic_max: spec.memory,
    memory_dynamic_min: spec.memory,
    memory_static_min: Math.min(spec.memory, 128 * 1024 ** 2),
    VCPUs_params: {},
    VCPUs_max: spec.cpus,
    VCPUs_at_startup: spec.cpus,
    actions_after_shutdown: "destroy",
    actions_after_reboot: "restart",
    actions_after_crash: "restart",
    PV_bootloader: "",
    PV_kernel: "",
    PV_ramdisk: "",
    PV_args: "",
    PV_bootloader_args: "",
    PV_legacy_args: "",
    HVM_boot_policy: "BIOS order",
    HVM_boot_params: { order: "cd", ...(spec.firmware === "uefi" ? { firmware: "uefi" } : { firmware: "bios" }) },
    // No HVM_shadow_multiplier: a float, and as JSON has it 1.0 is an integer, which some versions refuse.
    platform: platformOf(spec, hostCores),
    PCI_bus: "",
    other_config: { [TAG_KEY]: tag },
    recommendations: "",
    xenstore_data: {},
    ha_always_run: false,
    ha_restart_priority: "",
    blocked_operations: {},
    tags: [],
    hardware_platform_version: 0,
    has_vendor_device: false,
  };
}

/** Where an emulated CD drive can be: the last place on the IDE bus. */
const CD_POSITION = 3;
export const USUAL_MTU = 1500;

/** Null: IDE disks have all places there are, or one of them this place: further on it would not be emulated. */
export function cdPosition(disks: VmSpec["disks"]): string | null {
  const full = disks.filter(({ bus }) => bus === "ide").length >= IDE_DISKS;
  return full || disks[CD_POSITION]?.bus === "ide" ? null : String(CD_POSITION);
}

/** Of the disk with this index: the CD drive's place stays free. */
export function diskPosition(disks: VmSpec["disks"], index: number): string {
  return String(cdPosition(disks) !== null && index >= CD_POSITION ? index + 1 : index);
}

/** Empty: for the guest tools, and whatever else somebody puts in. */
export function cdRecord(vm: string, position: string): Record<string, unknown> {
  return {
    VM: vm,
    VDI: NULL_REF,
    userdevice: position,
    bootable: false,
    mode: "RO",
    type: "CD",
    unpluggable: true,
    empty: true,
    other_config: {},
    qos_algorithm_type: "",
    qos_algorithm_params: {},
  };
}

export function vbdRecord(vm: string, vdi: string, position: string, first: boolean): Record<string, unknown> {
  return {
    VM: vm,
    VDI: vdi,
    userdevice: position,
    bootable: first,
    mode: "RW",
    type: "Disk",
    unpluggable: !first,
    empty: false,
    other_config: { owner: "" },
    qos_algorithm_type: "",
    qos_algorithm_params: {},
  };
}

export function vifRecord(
  vm: string,
  { network, mtu }: { readonly network: string; readonly mtu: number },
  mac: string | null,
  position: number,
): Record<string, unknown> {
  return {
    VM: vm,
    network,
    device: String(position),
    MAC: mac ?? "",
    MTU: mtu,
    other_config: {},
    qos_algorithm_type: "",
    qos_algorithm_params: {},
    locking_mode: "network_default",
    ipv4_allowed: [],
    ipv6_allowed: [],
  };
}

/** `marks`: other_config of what this console makes. */
export function vdiRecord(
  sr: string,
  name: string,
  size: number,
  marks: Record<string, string>,
): Record<string, unknown> {
  return {
    SR: sr,
    name_label: name,
    name_description: "Made by Supravisor",
    virtual_size: size,
    type: "user",
    sharable: false,
    read_only: false,
    other_config: marks,
    xenstore_data: {},
    sm_config: {},
    tags: [],
    parent: NULL_REF,
  };
}
