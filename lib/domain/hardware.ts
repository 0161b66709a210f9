/** Words for virtual hardware that every vendor has under some name. Adapters map to and from these. */
import { z } from "zod";

export const VENDORS = ["vmware", "hyperv", "xen", "kvm", "virtualbox"] as const;
export const Vendor = z.enum(VENDORS);
export type Vendor = z.infer<typeof Vendor>;

export const VENDOR_LABEL = {
  vmware: "VMware",
  hyperv: "Hyper-V",
  xen: "Xen",
  kvm: "KVM",
  virtualbox: "VirtualBox",
} satisfies Record<Vendor, string>;

export const Firmware = z.enum(["bios", "uefi"]);
export type Firmware = z.infer<typeof Firmware>;

export const DISK_BUSES = ["virtio", "virtio-scsi", "scsi", "pvscsi", "sas", "sata", "ide", "nvme", "xen"] as const;
export const DiskBus = z.enum(DISK_BUSES);
export type DiskBus = z.infer<typeof DiskBus>;

export const DISK_BUS_LABEL = {
  virtio: "virtio-blk",
  "virtio-scsi": "virtio-scsi",
  scsi: "SCSI",
  pvscsi: "PVSCSI",
  sas: "LSI SAS",
  sata: "SATA",
  ide: "IDE",
  nvme: "NVMe",
  xen: "Xen PV",
} satisfies Record<DiskBus, string>;

export const NIC_MODELS = [
  "virtio",
  "e1000",
  "e1000e",
  "rtl8139",
  "vmxnet3",
  "netvsc",
  "dec21140",
  "netfront",
] as const;
export const NicModel = z.enum(NIC_MODELS);
export type NicModel = z.infer<typeof NicModel>;

export const NIC_MODEL_LABEL = {
  virtio: "virtio-net",
  e1000: "Intel E1000",
  e1000e: "Intel E1000e",
  rtl8139: "RTL8139",
  vmxnet3: "VMXNET3",
  netvsc: "Synthetic (netvsc)",
  dec21140: "Legacy (DEC 21140)",
  netfront: "Xen PV (netfront)",
} satisfies Record<NicModel, string>;

export const PowerState = z.enum(["running", "stopped", "paused", "suspended", "crashed", "unknown"]);
export type PowerState = z.infer<typeof PowerState>;

export const PowerAction = z.enum(["start", "shutdown", "stop", "reboot", "reset", "pause", "resume"]);
export type PowerAction = z.infer<typeof PowerAction>;
