/** What we write: every format and package in every shape that its options give. */
import type { WritableRow } from "./row.ts";

const MIB = 1024 ** 2;
const pair = true;
const check = true;
const piped = true;
const seeks = true;
const stream = { subformat: "streamOptimized" } as const;
const packed = { compress: "zst" } as const;

export const WRITABLE: readonly WritableRow[] = [
  { name: "raw", to: "raw", options: {}, piped },
  { name: "raw, allocated", to: "raw", options: { preallocation: "falloc" }, seeks },
  { name: "raw, written in full", to: "raw", options: { preallocation: "full" }, seeks },
  { name: "qcow2", to: "qcow2", options: { lazy_refcounts: "off", compression: "none" }, piped, check },
  { name: "qcow2, clusters of 512 bytes", to: "qcow2", options: { cluster_size: 512 }, check },
  { name: "qcow2, clusters of 4 KiB", to: "qcow2", options: { cluster_size: 4096 }, check },
  { name: "qcow2, clusters of 2 MiB", to: "qcow2", options: { cluster_size: 2 * MIB }, check },
  { name: "qcow2, metadata preallocated", to: "qcow2", options: { preallocation: "metadata" }, check },
  { name: "qcow2 zlib", to: "qcow2", options: { compression: "zlib", compression_level: 1 }, seeks, check },
  {
    name: "qcow2 zlib, clusters of 4 KiB",
    to: "qcow2",
    options: { compression_type: "zlib", cluster_size: 4096 },
    seeks,
    check,
  },
  { name: "qcow2 zstd", to: "qcow2", options: { compression: "zstd" }, seeks, check },
  {
    name: "qcow2 zstd, clusters of 2 MiB",
    to: "qcow2",
    options: { compression_type: "zstd", cluster_size: 2 * MIB },
    seeks,
    check,
  },
  {
    name: "VMDK monolithicSparse",
    to: "vmdk",
    options: { adapter_type: "ide", cid: "00c0ffee", toolsversion: 12 },
    check,
  },
  { name: "VMDK monolithicFlat", to: "vmdk", options: { subformat: "monolithicFlat", adapter_type: "buslogic" }, pair },
  { name: "VMDK vmfs", to: "vmdk", options: { subformat: "vmfs", thin: true, uuid: "60".repeat(16) }, pair },
  {
    name: "VMDK streamOptimized",
    to: "vmdk",
    options: { ...stream, adapter_type: "lsilogic", hwversion: 19 },
    piped,
    check,
  },
  {
    name: "VMDK streamOptimized, quick",
    to: "vmdk",
    options: { ...stream, adapter_type: "legacyESX", compression_level: 1 },
    check,
  },
  { name: "VHD dynamic", to: "vhd", options: {} },
  { name: "VHD fixed", to: "vhd", options: { subformat: "fixed" } },
  { name: "VHDX dynamic", to: "vhdx", options: {}, check },
  { name: "VHDX, blocks of 1 MiB", to: "vhdx", options: { block_size: MIB }, check },
  { name: "VHDX, blocks of 256 MiB", to: "vhdx", options: { block_size: 256 * MIB }, check },
  { name: "VHDX fixed", to: "vhdx", options: { subformat: "fixed", block_size: MIB }, check },
  {
    name: "VHDX, sectors of 4096 bytes",
    to: "vhdx",
    options: { logical_sector_size: 4096 },
    unit: 4096,
    reader: "libvhdi",
  },
  { name: "VDI dynamic", to: "vdi", options: { subformat: "dynamic" }, check },
  { name: "VDI fixed", to: "vdi", options: { subformat: "fixed", static: "on" }, check },
  { name: "raw.zst", to: "raw", options: {}, ...packed },
  { name: "qcow2.zst", to: "qcow2", options: {}, ...packed, check },
  { name: "OVA for VMware", to: "ova", options: { target: "vmware", hwversion: 17 }, reader: "tar" },
  {
    name: "OVA for VirtualBox",
    to: "ova",
    options: { target: "virtualbox", manifest: "sha1", compression_level: 1 },
    reader: "tar",
  },
  { name: "OVA without manifest", to: "ova", options: { manifest: "none" }, reader: "tar" },
  { name: "XVA", to: "xva", options: {}, reader: "tar" },
  { name: "XVA with XXH64", to: "xva", options: { checksum: "xxh64" }, reader: "tar" },
];
