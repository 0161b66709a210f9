import { z } from "zod";

/** Disk image formats that are written, by qemu-img's names where it has one. */
export const DISK_FORMATS = ["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi"] as const;
export const DiskFormatId = z.enum(DISK_FORMATS);
export type DiskFormatId = z.infer<typeof DiskFormatId>;

/** Formats that are read: those above, and those that nothing but a move away from them needs. */
export const SOURCE_FORMATS = [...DISK_FORMATS, "qed", "parallels"] as const;
export const SourceFormatId = z.enum(SOURCE_FORMATS);
export type SourceFormatId = z.infer<typeof SourceFormatId>;

export const DISK_FORMAT_LABEL = {
  raw: "Raw",
  qcow2: "QCOW2",
  vmdk: "VMDK",
  vhd: "VHD",
  vhdx: "VHDX",
  vdi: "VDI",
  qed: "QED",
  parallels: "Parallels HDD",
} satisfies Record<SourceFormatId, string>;
