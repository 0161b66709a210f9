/** What qemu-img makes: each of its formats in each of its shapes. */
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import { readFileSync, writeFileSync } from "node:fs";
import type { Scratch } from "../scratch.ts";
import { HIDDEN } from "./disk.ts";
import type { ReadableRow } from "./row.ts";

const DRIVER = {
  raw: "raw",
  qcow2: "qcow2",
  vmdk: "vmdk",
  vhd: "vpc",
  vhdx: "vhdx",
  vdi: "vdi",
  qed: "qed",
  parallels: "parallels",
} as const;

type Made = readonly [name: string, format: SourceFormatId, variant: string, args: readonly string[]];

const ALONE: readonly Made[] = [
  ["qcow2 v2", "qcow2", "v2", ["-o", "compat=0.10"]],
  ["qcow2 v3", "qcow2", "v3", []],
  ["qcow2, clusters of 512 bytes", "qcow2", "v3", ["-o", "cluster_size=512"]],
  ["qcow2, clusters of 4 KiB", "qcow2", "v3", ["-o", "cluster_size=4k"]],
  ["qcow2, clusters of 2 MiB", "qcow2", "v3", ["-o", "cluster_size=2M"]],
  ["qcow2 zlib", "qcow2", "v3", ["-c"]],
  ["qcow2 zlib v2", "qcow2", "v2", ["-c", "-o", "compat=0.10"]],
  ["qcow2 zlib, clusters of 512 bytes", "qcow2", "v3", ["-c", "-o", "cluster_size=512"]],
  ["qcow2 zlib, clusters of 2 MiB", "qcow2", "v3", ["-c", "-o", "cluster_size=2M"]],
  ["qcow2 zstd", "qcow2", "v3", ["-c", "-o", "compression_type=zstd"]],
  ["qcow2 extended L2", "qcow2", "v3", ["-o", "extended_l2=on"]],
  ["qcow2 extended L2, zlib", "qcow2", "v3", ["-c", "-o", "extended_l2=on,cluster_size=32k"]],
  ["qcow2, reference counts of one bit", "qcow2", "v3", ["-o", "refcount_bits=1"]],
  ["qcow2, metadata preallocated", "qcow2", "v3", ["-o", "preallocation=metadata"]],
  ["VMDK monolithicSparse", "vmdk", "monolithicSparse", []],
  ["VMDK monolithicSparse v2", "vmdk", "monolithicSparse", ["-o", "zeroed_grain=on"]],
  ["VMDK monolithicSparse of VMware 6", "vmdk", "monolithicSparse", ["-o", "compat6=on"]],
  ["VMDK streamOptimized, directory in front", "vmdk", "streamOptimized", ["-o", "subformat=streamOptimized"]],
  ["VHD dynamic", "vhd", "dynamic", ["-o", "force_size=on"]],
  ["VHD fixed", "vhd", "fixed", ["-o", "subformat=fixed,force_size=on"]],
  ["VHDX dynamic", "vhdx", "dynamic", []],
  ["VHDX, blocks of 1 MiB", "vhdx", "dynamic", ["-o", "block_size=1048576"]],
  ["VHDX, no zero state", "vhdx", "dynamic", ["-o", "block_state_zero=off"]],
  ["VHDX fixed", "vhdx", "fixed", ["-o", "subformat=fixed,block_size=1048576"]],
  ["VDI dynamic", "vdi", "dynamic", []],
  ["VDI fixed", "vdi", "fixed", ["-o", "static=on"]],
  ["QED", "qed", "plain", []],
  ["Parallels HDD", "parallels", "WithouFreSpacExt", []],
];
/** Their sizes are those of Virtual PC: whole cylinders. */
const ROUNDED: readonly Made[] = [
  ["VHD dynamic by geometry", "vhd", "dynamic", []],
  ["VHD fixed by geometry", "vhd", "fixed", ["-o", "subformat=fixed"]],
];
const OF_SEVERAL_FILES: readonly Made[] = [
  ["qcow2 with a data file", "qcow2", "v3", ["-o", "data_file=disk.data"]],
  ["qcow2 with a raw data file", "qcow2", "v3", ["-o", "data_file=disk.data,data_file_raw=on"]],
  ["VMDK monolithicFlat", "vmdk", "monolithicFlat", ["-o", "subformat=monolithicFlat"]],
  ["VMDK twoGbMaxExtentSparse", "vmdk", "twoGbMaxExtentSparse", ["-o", "subformat=twoGbMaxExtentSparse"]],
  ["VMDK twoGbMaxExtentFlat", "vmdk", "twoGbMaxExtentFlat", ["-o", "subformat=twoGbMaxExtentFlat"]],
];

const PIPED = new Set(["qcow2 v3", "VHD fixed", "VDI dynamic"]);

function byConvert([name, format, variant, args]: Made): ReadableRow {
  const file = `image.${format}`;
  return {
    name,
    format,
    variant,
    piped: PIPED.has(name),
    make: (folder) => {
      folder.qemuImg("convert", "-f", "raw", "-O", DRIVER[format], ...args, "disk.raw", file);
      return file;
    },
  };
}

/** `disk.raw` again, in two layers: what the lower one has elsewhere is written over, once by zeros. */
function coverBase(folder: Scratch, disk: Buffer, driver: string, top: string): string {
  const [data, zeros] = HIDDEN;
  writeFileSync(folder.path("part.bin"), disk.subarray(data.at, data.at + data.length));
  const write = `write -s part.bin ${data.at} ${data.length}`;
  folder.qemuIo("-f", driver, "-c", write, "-c", `write -z ${zeros.at} ${zeros.length}`, top);
  return top;
}

function layered(
  name: string,
  format: "qcow2" | "vmdk" | "qed",
  backing: SourceFormatId,
  args: readonly string[],
): ReadableRow {
  return {
    name,
    format,
    variant: format === "qcow2" ? "v3" : format === "qed" ? "differencing" : "monolithicSparse",
    beside: true,
    make: (folder, disk) => {
      folder.qemuImg("convert", "-f", "raw", "-O", DRIVER[backing], "base.raw", `base.${backing}.img`);
      const below = ["-b", `base.${backing}.img`, "-F", DRIVER[backing]];
      folder.qemuImg("create", "-f", format, ...args, ...below, `top.${format}`);
      return coverBase(folder, disk, format, `top.${format}`);
    },
  };
}

/** The first incompatible feature says that reference counts may be wrong, as after a crash. */
function markDirty(folder: Scratch): string {
  folder.qemuImg("convert", "-f", "raw", "-O", "qcow2", "-o", "lazy_refcounts=on", "disk.raw", "dirty.qcow2");
  const image = readFileSync(folder.path("dirty.qcow2"));
  image.writeUInt8(1, 79);
  writeFileSync(folder.path("dirty.qcow2"), image);
  return "dirty.qcow2";
}

export const READABLE_QEMU: readonly ReadableRow[] = [
  ...ALONE.map(byConvert),
  ...ROUNDED.map((made) => ({ ...byConvert(made), rounded: true })),
  ...OF_SEVERAL_FILES.map((made) => ({ ...byConvert(made), beside: true })),
  layered("qcow2 on qcow2", "qcow2", "qcow2", []),
  layered("qcow2 on raw", "qcow2", "raw", []),
  layered("qcow2 on VMDK", "qcow2", "vmdk", []),
  layered("QED on raw", "qed", "raw", []),
  layered("qcow2 extended L2 on qcow2", "qcow2", "qcow2", ["-o", "extended_l2=on"]),
  layered("VMDK snapshot of Workstation", "vmdk", "vmdk", []),
  layered("VMDK snapshot with grains of zeros", "vmdk", "vmdk", ["-o", "zeroed_grain=on"]),
  {
    name: "qcow2 with an internal snapshot",
    format: "qcow2",
    variant: "v3",
    make: (folder, disk) => {
      folder.qemuImg("convert", "-f", "raw", "-O", "qcow2", "base.raw", "snap.qcow2");
      folder.qemuImg("snapshot", "-c", "before", "snap.qcow2");
      return coverBase(folder, disk, "qcow2", "snap.qcow2");
    },
  },
  { name: "qcow2 not closed", format: "qcow2", variant: "v3", acceptDirty: true, make: markDirty },
];
