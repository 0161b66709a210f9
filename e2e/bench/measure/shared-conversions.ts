/** Conversions that copy nothing: disks that lie flat in a file, and formats that can name it. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";

export const SHARED_SOURCES = {
  raw: { format: "raw", qemu: "raw", made: ["-O", "raw"] },
  vhd: { format: "vhd", qemu: "vpc", made: ["-O", "vpc", "-o", "subformat=fixed,force_size=on"] },
} satisfies Record<string, { format: DiskFormatId; qemu: string; made: readonly string[] }>;

export interface SharedRow {
  readonly name: string;
  readonly from: keyof typeof SHARED_SOURCES;
  readonly to: DiskFormatId;
  readonly qemu: string;
  /** What qemu-img is asked for. */
  readonly theirs: readonly string[];
}

const flatVmdk = ["-O", "vmdk", "-o", "subformat=monolithicFlat"];

export const SHARED: readonly SharedRow[] = [
  { name: "shared raw→vmdk", from: "raw", to: "vmdk", qemu: "vmdk", theirs: flatVmdk },
  { name: "shared raw→qcow2", from: "raw", to: "qcow2", qemu: "qcow2", theirs: ["-O", "qcow2"] },
  { name: "shared raw→raw", from: "raw", to: "raw", qemu: "raw", theirs: ["-O", "raw"] },
  { name: "shared vhd→vmdk", from: "vhd", to: "vmdk", qemu: "vmdk", theirs: flatVmdk },
  { name: "shared vhd→qcow2", from: "vhd", to: "qcow2", qemu: "qcow2", theirs: ["-O", "qcow2"] },
];
