/** What the pool holds at first: two members and one that is down, repositories of each kind, networks, templates, VMs. */
import { writeFileSync } from "node:fs";
import type { Database } from "./database.ts";
import type { Machines } from "./machines.ts";
import type { Storage } from "./storage.ts";
import { NULL_REF, text, type Fields, type Value } from "./values.ts";

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;

export interface SeededPool {
  readonly pool: string;
  readonly hosts: readonly string[];
  readonly shared: string;
  readonly thick: string;
  /** Only the second member sees it: the first one redirects. */
  readonly onSlave: string;
  /** Only the member that is down sees it. */
  readonly onDead: string;
  readonly network: string;
  readonly template: string;
  readonly vm: string;
}

const CLASSES = [
  "task",
  "pool",
  "host",
  "host_metrics",
  "host_cpu",
  "SM",
  "SR",
  "PBD",
  "VDI",
  "network",
  "PIF",
  "VM",
  "VM_metrics",
  "VM_guest_metrics",
  "VBD",
  "VIF",
];

const RECOMMENDATIONS =
  '<restrictions><restriction field="memory-static-max" max="1649267441664"/><restriction field="vcpus-max" max="64"/>' +
  '<restriction property="number-of-vbds" max="241"/><restriction property="number-of-vifs" max="7"/>' +
  '<restriction field="allow-gpu-passthrough" value="1"/></restrictions>';

export function vmRecord(more: Fields): Fields {
  return {
    name_label: "",
    name_description: "",
    user_version: 1,
    is_a_template: false,
    affinity: NULL_REF,
    memory_static_max: GiB,
    memory_dynamic_max: GiB,
    memory_dynamic_min: GiB,
    memory_static_min: 128 * MiB,
    memory_target: GiB,
    VCPUs_params: {},
    VCPUs_max: 1,
    VCPUs_at_startup: 1,
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
    HVM_boot_params: { order: "cd" },
    HVM_shadow_multiplier: 1.5,
    platform: {
      acpi: "1",
      apic: "true",
      pae: "true",
      viridian: "true",
      nx: "true",
      "device-model": "qemu-upstream-compat",
    },
    PCI_bus: "",
    other_config: {},
    recommendations: RECOMMENDATIONS,
    xenstore_data: {},
    ha_always_run: false,
    ha_restart_priority: "",
    suspend_SR: NULL_REF,
    version: 0,
    generation_id: "",
    hardware_platform_version: 0,
    has_vendor_device: false,
    reference_label: "",
    ...more,
  };
}

function addHost(db: Database, index: number, address: string, live: boolean): string {
  const metrics = db.insert("host_metrics", {
    memory_total: 64 * GiB,
    memory_free: 48 * GiB,
    live,
    last_updated: "20260101T00:00:00Z",
    other_config: {},
  });
  return db.insert("host", {
    name_label: `xen${index + 1}`,
    name_description: "Default install",
    memory_overhead: 0,
    allowed_operations: [],
    current_operations: {},
    API_version_major: 2,
    API_version_minor: 21,
    API_version_vendor: "XenSource",
    enabled: live,
    software_version: {
      product_brand: "XenServer",
      product_version: "8.4.0",
      product_version_text: "8",
      platform_name: "XCP",
      platform_version: "3.4.0",
      xapi: "24.11",
      xen: "4.17.5",
    },
    other_config: {},
    capabilities: ["xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_64"],
    cpu_configuration: {},
    sched_policy: "credit",
    supported_bootloaders: ["pygrub", "eliloader"],
    resident_VMs: [],
    logging: {},
    PIFs: [],
    hostname: `xen${index + 1}`,
    address,
    metrics,
    license_params: {},
    cpu_info: { cpu_count: "16", socket_count: "1", vendor: "GenuineIntel", modelname: "Intel Xeon E5-2690 v4" },
    patches: [],
    tags: [],
    edition: "premium",
    multipathing: false,
    certificates: [],
    uefi_certificates: "",
    tls_verification_enabled: false,
    https_only: true,
  });
}

export function seedPool(db: Database, storage: Storage, machines: Machines, addresses: readonly string[]): SeededPool {
  db.declare(...CLASSES);
  const hosts = addresses.map((address, index) => addHost(db, index, address, index < 2));
  const [master = "", slave = "", dead = ""] = hosts;
  for (const type of ["nfs", "lvm", "ext", "zfs", "iso"])
    db.insert("SM", {
      name_label: type.toUpperCase(),
      name_description: "",
      type,
      vendor: "XCP-ng community",
      version: "3.0",
      required_api_version: "1.0",
      configuration: {},
      capabilities: [],
      features: {},
      other_config: {},
      driver_filename: "",
      required_cluster_stack: [],
      // As XCP-ng 8.3 has it for some of its drivers; others say nothing.
      supported_image_formats: type === "nfs" ? ["vhd", "raw", "qcow2"] : [],
    });
  const shared = storage.addRepository({ name: "NFS storage", type: "nfs", size: 20 * GiB, hosts: [master, slave] });
  const thick = storage.addRepository({ name: "Local LVM", type: "lvm", size: 256 * MiB, hosts: [master] });
  const onSlave = storage.addRepository({ name: "Local storage of xen2", type: "ext", size: 10 * GiB, hosts: [slave] });
  const onDead = storage.addRepository({ name: "Local storage of xen3", type: "ext", size: 10 * GiB, hosts: [dead] });
  storage.addRepository({ name: "ISO library", type: "iso", size: 1 * GiB, hosts: [master, slave] });
  const pool = db.insert("pool", {
    name_label: "Lab pool",
    name_description: "",
    master,
    default_SR: shared,
    suspend_image_SR: shared,
    crash_dump_SR: shared,
    other_config: {},
    ha_enabled: false,
    ha_configuration: {},
    tags: [],
    cpu_info: { cpu_count: "48", socket_count: "3", vendor: "GenuineIntel" },
    uefi_certificates: "",
    tls_verification_enabled: false,
  });
  const network = db.insert("network", networkRecord("Pool-wide network associated with eth0", "xenbr0"));
  const alone = db.insert("network", networkRecord("Host internal", "xapi0"));
  for (const host of hosts) {
    const pif = db.insert("PIF", {
      device: "eth0",
      network,
      host,
      MAC: "52:54:00:00:00:01",
      MTU: 1500,
      VLAN: -1,
      physical: true,
      currently_attached: true,
      IP: text(db.get("host", host)["address"]),
      management: true,
      other_config: {},
    });
    db.update("network", network, { PIFs: [...(db.get("network", network)["PIFs"] as Value[]), pif] });
    db.update("host", host, { PIFs: [pif] });
  }
  const template = machines.create(
    vmRecord({ name_label: "Other install media", is_a_template: true, other_config: { default_template: "true" } }),
  );
  db.update("VM", template, { is_default_template: true });
  for (const host of hosts.slice(0, 2)) {
    const dom0 = machines.create(
      vmRecord({ name_label: `Control domain on host: ${text(db.get("host", host)["name_label"])}` }),
    );
    db.update("VM", dom0, { is_control_domain: true, power_state: "Running", resident_on: host, domid: 0 });
  }
  const vm = machines.create(
    vmRecord({ name_label: "web01", name_description: "Web server", VCPUs_max: 2, VCPUs_at_startup: 2 }),
  );
  const disk = storage.createDisk({ SR: shared, name_label: "web01 disk", virtual_size: 64 * MiB });
  writeFileSync(storage.path(disk), Buffer.alloc(MiB, "web01 "), { flag: "r+" });
  storage.scan(shared);
  machines.attachDisk({ VM: vm, VDI: disk, userdevice: "0", bootable: true, mode: "RW", type: "Disk", empty: false });
  machines.attachDisk({ VM: vm, VDI: NULL_REF, userdevice: "3", bootable: false, mode: "RO", type: "CD", empty: true });
  machines.attachNic({ VM: vm, network, device: "0", MAC: "52:54:00:12:34:56" });
  machines.attachNic({ VM: vm, network: alone, device: "1", MAC: "" });
  return { pool, hosts, shared, thick, onSlave, onDead, network, template, vm };
}

function networkRecord(name: string, bridge: string): Fields {
  return {
    name_label: name,
    name_description: "",
    allowed_operations: [],
    current_operations: {},
    VIFs: [],
    PIFs: [],
    MTU: 1500,
    other_config: {},
    bridge,
    managed: true,
    tags: [],
    default_locking_mode: "unlocked",
  };
}
