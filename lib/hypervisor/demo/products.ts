/** The five products that are simulated: each vendor's own formats, buses, firmware words and limits. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { Vendor } from "#lib/domain/hardware.ts";

const GiB = 1024 ** 3;
const TiB = 1024 ** 4;

export interface DemoProduct {
  readonly product: string;
  readonly version: string;
  readonly hostName: string;
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memory: number;
  readonly capabilities: HostCapabilities;
  readonly pools: readonly { readonly name: string; readonly type: string; readonly capacity: number }[];
  readonly networks: readonly { readonly name: string; readonly type: string; readonly active: boolean }[];
  readonly machine: string;
}

type Firmware = HostCapabilities["firmware"];

const common = {
  acceleration: "simulated",
  canStartVms: true,
  whyNotStart: null,
  captureRunning: false,
  packages: [] as HostCapabilities["packages"],
  canReadBack: true,
  sparseTransfer: true,
  hasConsoleLog: false,
  simulated: true,
  formatOptions: {},
  placements: [],
} satisfies Partial<HostCapabilities>;

const limits = (
  more: Partial<HostCapabilities["limits"]> & { maxDiskSize: Partial<Record<DiskFormatId, number>> },
): HostCapabilities["limits"] => ({
  maxCpus: 64,
  maxMemory: 1 * TiB,
  minMemory: 4 * 1024 ** 2,
  maxDisks: 16,
  maxNics: 8,
  nameMaxLength: 80,
  namePattern: "^[^/\\\\\\u0000-\\u001f]+$",
  ...more,
});

const choice = (
  firmware: "bios" | "uefi",
  label: string,
  bootBuses: Firmware[number]["bootBuses"],
): Firmware[number] => ({
  firmware,
  available: true,
  reason: null,
  bootBuses,
  label,
  secureBoot: firmware === "uefi",
});

export const PRODUCTS = {
  vmware: {
    product: "VMware ESXi (simulated)",
    version: "8.0.3",
    hostName: "esx-sim",
    cpus: 32,
    cpuModel: "Intel Xeon Gold 6338",
    memory: 256 * GiB,
    machine: "vmx-21",
    capabilities: {
      ...common,
      diskFormats: ["vmdk"],
      formatOptions: { vmdk: { subformat: "streamOptimized" } },
      captureRunning: true,
      buses: ["pvscsi", "sas", "scsi", "sata", "nvme", "ide"],
      nics: ["vmxnet3", "e1000e", "e1000"],
      firmware: [
        choice("uefi", "EFI", ["pvscsi", "sas", "scsi", "sata", "nvme"]),
        choice("bios", "BIOS", ["pvscsi", "sas", "scsi", "sata", "ide"]),
      ],
      limits: limits({
        maxCpus: 768,
        maxMemory: 24 * TiB,
        maxDisks: 256,
        maxNics: 10,
        maxDiskSize: { vmdk: 62 * TiB },
      }),
    },
    pools: [
      { name: "datastore1", type: "vmfs", capacity: 500 * GiB },
      { name: "scratch-small", type: "vmfs", capacity: 64 * 1024 ** 2 },
    ],
    networks: [
      { name: "VM Network", type: "portgroup", active: true },
      { name: "DMZ", type: "portgroup", active: true },
    ],
  },
  hyperv: {
    product: "Microsoft Hyper-V Server (simulated)",
    version: "10.0.26100",
    hostName: "hv-sim",
    cpus: 24,
    cpuModel: "AMD EPYC 7443P",
    memory: 192 * GiB,
    machine: "Configuration version 12.0",
    capabilities: {
      ...common,
      diskFormats: ["vhdx", "vhd"],
      buses: ["scsi", "ide"],
      captureRunning: true,
      sparseTransfer: false,
      nics: ["netvsc"],
      firmware: [
        {
          ...choice("bios", "Generation 1 (BIOS)", ["ide"]),
          limits: { maxCpus: 64, maxMemory: 1 * TiB, maxBootDisk: 2 * TiB },
        },
        {
          ...choice("uefi", "Generation 2 (UEFI)", ["scsi"]),
          secureBootTrusts: { windows: "Microsoft Windows", other: "Microsoft UEFI Certificate Authority" },
        },
      ],
      formatOptions: { vhdx: { subformat: "dynamic" }, vhd: { subformat: "dynamic" } },
      limits: limits({
        maxCpus: 2048,
        maxMemory: 240 * TiB,
        minMemory: 32 * 1024 ** 2,
        maxDisks: 256,
        maxNics: 8,
        namePattern: "^[^\\u0000-\\u001f]+$",
        maxDiskSize: { vhdx: 64 * TiB, vhd: 2040 * GiB },
      }),
    },
    pools: [
      { name: "D:\\Hyper-V", type: "ntfs", capacity: 400 * GiB },
      { name: "E:\\Small", type: "ntfs", capacity: 64 * 1024 ** 2 },
    ],
    networks: [
      { name: "Default Switch", type: "switch", active: true },
      { name: "Private", type: "switch", active: true },
    ],
  },
  xen: {
    product: "XenServer (simulated)",
    version: "8.4",
    hostName: "xen-sim",
    cpus: 16,
    cpuModel: "Intel Xeon E5-2690 v4",
    memory: 128 * GiB,
    machine: "HVM",
    capabilities: {
      ...common,
      diskFormats: ["raw", "vhd"],
      captureRunning: true,
      packages: ["xva"],
      buses: ["xen", "ide"],
      nics: ["netfront", "rtl8139", "e1000"],
      firmware: [choice("bios", "HVM, BIOS", ["xen", "ide"]), choice("uefi", "HVM, UEFI", ["xen", "ide"])],
      limits: limits({
        maxCpus: 64,
        maxMemory: 1.5 * TiB,
        minMemory: 16 * 1024 ** 2,
        maxDisks: 241,
        maxNics: 7,
        nameMaxLength: 255,
        namePattern: "^[^\\u0000-\\u001f]+$",
        maxDiskSize: { vhd: 2040 * GiB, raw: 2040 * GiB },
      }),
    },
    pools: [
      { name: "Local storage", type: "ext, thin", capacity: 300 * GiB },
      { name: "Small SR", type: "ext, thin", capacity: 64 * 1024 ** 2 },
    ],
    networks: [
      { name: "Pool-wide network 0", type: "bridge", active: true },
      { name: "Storage", type: "bridge", active: false },
    ],
  },
  kvm: {
    product: "QEMU/KVM by libvirt (simulated)",
    version: "9.0.0",
    hostName: "kvm-sim",
    cpus: 16,
    cpuModel: "AMD EPYC 7302",
    memory: 128 * GiB,
    machine: "q35",
    capabilities: {
      ...common,
      diskFormats: ["qcow2", "raw"],
      buses: ["virtio", "virtio-scsi", "sata", "ide"],
      nics: ["virtio", "e1000e", "e1000", "rtl8139"],
      firmware: [
        choice("bios", "SeaBIOS", ["virtio", "virtio-scsi", "sata", "ide"]),
        choice("uefi", "OVMF (UEFI)", ["virtio", "virtio-scsi", "sata"]),
      ],
      limits: limits({ maxCpus: 255, maxMemory: 4 * TiB, maxDisks: 32, maxNics: 16, maxDiskSize: {} }),
    },
    pools: [
      { name: "default", type: "dir", capacity: 500 * GiB },
      { name: "small", type: "dir", capacity: 64 * 1024 ** 2 },
    ],
    networks: [
      { name: "default", type: "nat", active: true },
      { name: "br0", type: "bridge", active: true },
    ],
  },
  virtualbox: {
    product: "Oracle VirtualBox (simulated)",
    version: "7.2.4",
    hostName: "vbox-sim",
    cpus: 8,
    cpuModel: "Intel Core i7-10700",
    memory: 64 * GiB,
    machine: "ICH9",
    capabilities: {
      ...common,
      diskFormats: ["vdi", "vmdk", "vhd"],
      buses: ["sata", "ide", "scsi", "sas", "virtio-scsi", "nvme"],
      nics: ["e1000", "virtio"],
      firmware: [
        choice("bios", "BIOS", ["sata", "ide", "scsi", "sas"]),
        choice("uefi", "EFI", ["sata", "ide", "nvme"]),
      ],
      limits: limits({
        maxCpus: 64,
        maxMemory: 2 * TiB,
        maxDisks: 30,
        maxNics: 8,
        maxDiskSize: { vhd: 2040 * GiB },
      }),
    },
    pools: [
      { name: "VirtualBox VMs", type: "folder", capacity: 200 * GiB },
      { name: "Small", type: "folder", capacity: 64 * 1024 ** 2 },
    ],
    networks: [
      { name: "NAT", type: "nat", active: true },
      { name: "Host-only", type: "isolated", active: true },
    ],
  },
} satisfies Record<Vendor, DemoProduct>;
