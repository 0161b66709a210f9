/**
 * The records of an export: one machine with its drives, disks, storage, interface and network, every field that
 * XenAPI's import asks for. Source: XenAPI reference, classes VM, VBD, VDI, SR, VIF, network; xapi, `importexport.ml`.
 */
import { randomBytes, randomUUID } from "node:crypto";
import type { PackedMachine } from "../package.ts";
import { DateTime, Double, rpcXml, type RpcValue } from "./rpc-xml.ts";

const NONE = "OpaqueRef:NULL";
const NEVER = new DateTime(new Date(0));
const QOS = { qos_algorithm_type: "", qos_algorithm_params: {}, qos_supported_algorithms: [] };
const IDLE = { allowed_operations: [], current_operations: {} };

export interface RecordedDisk {
  readonly ref: string;
  readonly name: string;
  readonly virtualSize: number;
}

interface Place {
  readonly vm: string;
  readonly sr: string;
  readonly vif: string;
  readonly network: string;
  /** Of the drive of each disk. */
  readonly drives: readonly string[];
}

/** References of the disks: xapi reads their blocks in the order of these as text. */
export function diskRefs(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `Ref:${1000 + i}`);
}

export function machineRecords(machine: PackedMachine, disks: readonly RecordedDisk[]): string {
  const place: Place = {
    vm: "Ref:0",
    sr: "Ref:1",
    vif: "Ref:2",
    network: "Ref:3",
    drives: disks.map((_, i) => `Ref:${2000 + i}`),
  };
  const object = (kind: string, id: string, snapshot: { readonly [name: string]: RpcValue }): RpcValue => ({
    class: kind,
    id,
    snapshot,
  });
  const nic = machine.nic !== null;
  return rpcXml({
    version: {
      hostname: "supravisor",
      date: new Date().toISOString().slice(0, 10),
      product_version: "7.0.0",
      product_brand: "XenServer",
      build_number: "0",
      xapi_major: "1",
      xapi_minor: "9",
      export_vsn: "2",
    },
    objects: [
      ...(nic ? [object("VIF", place.vif, vif(place)), object("network", place.network, network(place))] : []),
      ...disks.flatMap((disk, i) => [
        object("VBD", place.drives[i] ?? "", vbd(place, disk, i)),
        object("VDI", disk.ref, vdi(place, disk, place.drives[i] ?? "")),
      ]),
      object("VM", place.vm, vm(machine, place)),
      object("SR", place.sr, sr(disks)),
    ],
  });
}

function vm(machine: PackedMachine, place: Place): { readonly [name: string]: RpcValue } {
  const memory = String(machine.memory);
  const cpus = String(machine.cpus);
  return {
    uuid: randomUUID(),
    ...IDLE,
    power_state: "Halted",
    name_label: machine.name,
    name_description: "",
    user_version: "1",
    is_a_template: false,
    is_default_template: false,
    suspend_VDI: NONE,
    resident_on: NONE,
    scheduled_to_be_resident_on: NONE,
    affinity: NONE,
    memory_overhead: "0",
    memory_target: memory,
    memory_static_max: memory,
    memory_dynamic_max: memory,
    memory_dynamic_min: memory,
    memory_static_min: String(Math.min(machine.memory, 512 * 1_048_576)),
    VCPUs_params: {},
    VCPUs_max: cpus,
    VCPUs_at_startup: cpus,
    actions_after_softreboot: "soft_reboot",
    actions_after_shutdown: "destroy",
    actions_after_reboot: "restart",
    actions_after_crash: "restart",
    consoles: [],
    VIFs: machine.nic === null ? [] : [place.vif],
    VBDs: place.drives,
    VUSBs: [],
    crash_dumps: [],
    VTPMs: [],
    PV_bootloader: "",
    PV_kernel: "",
    PV_ramdisk: "",
    PV_args: "",
    PV_bootloader_args: "",
    PV_legacy_args: "",
    HVM_boot_policy: "BIOS order",
    HVM_boot_params: { order: "cdn", firmware: machine.firmware },
    HVM_shadow_multiplier: new Double(1),
    platform: {
      acpi: "1",
      apic: "true",
      pae: "true",
      nx: "true",
      viridian: machine.guest === "windows" ? "true" : "false",
      "device-model": machine.firmware === "uefi" ? "qemu-upstream-uefi" : "qemu-upstream-compat",
      secureboot: "false",
    },
    PCI_bus: "",
    other_config: { mac_seed: randomUUID() },
    domid: "-1",
    domarch: "",
    last_boot_CPU_flags: {},
    is_control_domain: false,
    metrics: NONE,
    guest_metrics: NONE,
    last_booted_record: "",
    recommendations: "",
    xenstore_data: {},
    ha_always_run: false,
    ha_restart_priority: "",
    is_a_snapshot: false,
    snapshot_of: NONE,
    snapshots: [],
    snapshot_time: NEVER,
    transportable_snapshot_id: "",
    blobs: {},
    tags: [],
    blocked_operations: {},
    snapshot_info: {},
    snapshot_metadata: "",
    parent: NONE,
    children: [],
    bios_strings: {},
    protection_policy: NONE,
    is_snapshot_from_vmpp: false,
    snapshot_schedule: NONE,
    is_vmss_snapshot: false,
    appliance: NONE,
    start_delay: "0",
    shutdown_delay: "0",
    order: "0",
    VGPUs: [],
    attached_PCIs: [],
    suspend_SR: NONE,
    version: "0",
    generation_id: "",
    hardware_platform_version: "0",
    has_vendor_device: false,
    requires_reboot: false,
    reference_label: "",
    domain_type: "hvm",
    NVRAM: {},
    pending_guidances: [],
  };
}

function vbd(place: Place, disk: RecordedDisk, index: number): { readonly [name: string]: RpcValue } {
  return {
    uuid: randomUUID(),
    ...IDLE,
    VM: place.vm,
    VDI: disk.ref,
    device: "",
    // 3 is the CD drive's place by custom.
    userdevice: String(index < 3 ? index : index + 1),
    bootable: index === 0,
    mode: "RW",
    type: "Disk",
    unpluggable: true,
    storage_lock: false,
    empty: false,
    other_config: { owner: "" },
    currently_attached: false,
    status_code: "0",
    status_detail: "",
    runtime_properties: {},
    ...QOS,
    metrics: NONE,
  };
}

function vdi(place: Place, disk: RecordedDisk, drive: string): { readonly [name: string]: RpcValue } {
  const uuid = randomUUID();
  return {
    uuid,
    name_label: disk.name,
    name_description: "",
    ...IDLE,
    SR: place.sr,
    VBDs: [drive],
    crash_dumps: [],
    virtual_size: String(disk.virtualSize),
    physical_utilisation: String(disk.virtualSize),
    type: "user",
    sharable: false,
    read_only: false,
    other_config: {},
    storage_lock: false,
    location: uuid,
    managed: true,
    missing: false,
    parent: NONE,
    xenstore_data: {},
    sm_config: {},
    is_a_snapshot: false,
    snapshot_of: NONE,
    snapshots: [],
    snapshot_time: NEVER,
    tags: [],
    allow_caching: false,
    on_boot: "persist",
    metadata_of_pool: NONE,
    metadata_latest: false,
    is_tools_iso: false,
    cbt_enabled: false,
  };
}

function sr(disks: readonly RecordedDisk[]): { readonly [name: string]: RpcValue } {
  return {
    uuid: randomUUID(),
    name_label: "Local storage",
    name_description: "",
    ...IDLE,
    VDIs: disks.map(({ ref }) => ref),
    PBDs: [],
    virtual_allocation: "0",
    physical_utilisation: "0",
    physical_size: "0",
    type: "ext",
    content_type: "user",
    shared: false,
    other_config: {},
    tags: [],
    sm_config: {},
    blobs: {},
    local_cache_enabled: false,
    introduced_by: NONE,
    clustered: false,
    is_tools_sr: false,
  };
}

function vif(place: Place): { readonly [name: string]: RpcValue } {
  // Locally administered, so that no card of the world has it.
  const mac = [0x02, ...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  return {
    uuid: randomUUID(),
    ...IDLE,
    device: "0",
    network: place.network,
    VM: place.vm,
    MAC: mac,
    MTU: "1500",
    other_config: {},
    currently_attached: false,
    status_code: "0",
    status_detail: "",
    runtime_properties: {},
    ...QOS,
    metrics: NONE,
    MAC_autogenerated: false,
    locking_mode: "network_default",
    ipv4_allowed: [],
    ipv6_allowed: [],
    ipv4_configuration_mode: "None",
    ipv4_addresses: [],
    ipv4_gateway: "",
    ipv6_configuration_mode: "None",
    ipv6_addresses: [],
    ipv6_gateway: "",
  };
}

/** xapi maps it to the network of the same name where it is imported. */
function network(place: Place): { readonly [name: string]: RpcValue } {
  return {
    uuid: randomUUID(),
    name_label: "Pool-wide network associated with eth0",
    name_description: "",
    ...IDLE,
    VIFs: [place.vif],
    PIFs: [],
    MTU: "1500",
    other_config: {},
    bridge: "xenbr0",
    managed: true,
    blobs: {},
    tags: [],
    default_locking_mode: "unlocked",
    assigned_ips: {},
    purpose: [],
  };
}
