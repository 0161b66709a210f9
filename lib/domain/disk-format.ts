import { z } from "zod";

/** Disk image formats by qemu-img's names where it has one. */
export const DISK_FORMATS = ["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi"] as const;
export const DiskFormatId = z.enum(DISK_FORMATS);
export type DiskFormatId = z.infer<typeof DiskFormatId>;

export const DISK_FORMAT_LABEL = {
  raw: "Raw",
  qcow2: "QCOW2",
  vmdk: "VMDK",
  vhd: "VHD",
  vhdx: "VHDX",
  vdi: "VDI",
} satisfies Record<DiskFormatId, string>;
