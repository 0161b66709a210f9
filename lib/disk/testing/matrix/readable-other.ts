/** What ESX, Hyper-V, VirtualBox and XenServer make, laid out by our own hands, and packages and packed files. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { convertFile } from "../../file-conversion.ts";
import { esxDescriptor, type Grain, makeCowd, makeSeSparse } from "../esx-extents.ts";
import { tar, vsphereOvf, writeManifest, xapiRecords } from "../packages.ts";
import type { Scratch } from "../scratch.ts";
import { makeVdiDifference } from "../vdi-difference.ts";
import { makeVhdDifference, vhdUniqueId } from "../vhd-difference.ts";
import { makeVhdxDifference, vhdxLinkage } from "../vhdx-difference.ts";
import { crashedVhdx, VHDX_TABLE_AT, vhdxLogEntry } from "../vhdx-log.ts";
import { HIDDEN, MATRIX_SIZE } from "./disk.ts";
import type { ReadableRow } from "./row.ts";

const MIB = 1024 ** 2;
const piped = true;
const SECTORS = MATRIX_SIZE / 512;
const [DATA, ZEROS] = HIDDEN;

type Written = "vmdk" | "vhd" | "vhdx" | "vdi";

/** An image of ours, as the base of a chain of which others would have made it. */
async function ours(folder: Scratch, source: string, name: string, options: Record<string, unknown> = {}) {
  const to = name.slice(name.lastIndexOf(".") + 1) as Written;
  await convertFile({ source: folder.path(source), target: folder.path(name), to, options });
  return readFileSync(folder.path(name));
}

function save(folder: Scratch, name: string, bytes: Uint8Array | string): string {
  writeFileSync(folder.path(name), bytes);
  return name;
}

/** The parts of the disk that the lower one has otherwise, in units of `unit` bytes by their number. */
function hidden(disk: Buffer, unit: number): Map<number, Buffer> {
  const parts = HIDDEN.flatMap(({ at, length }) =>
    Array.from({ length: length / unit }, (_, i) => at / unit + i).map(
      (number) => [number, disk.subarray(number * unit, (number + 1) * unit)] as const,
    ),
  );
  return new Map(parts);
}

function esxDelta(createType: string, type: string, extent: (disk: Buffer) => Buffer): ReadableRow["make"] {
  return async (folder, disk) => {
    await ours(folder, "base.raw", "base.vmdk", { subformat: "vmfs", cid: "0000beef" });
    save(folder, "delta-000001.vmdk", extent(disk));
    const parent = { cid: "beef", hint: "base.vmdk" };
    const line = `RW ${SECTORS} ${type} "delta-000001.vmdk"`;
    return save(folder, "delta.vmdk", esxDescriptor({ createType, cid: "5", parent, extent: line }));
  };
}

const CHAINS: readonly ReadableRow[] = [
  {
    name: "VMDK vmfsSparse on vmfs",
    format: "vmdk",
    variant: "vmfsSparse",
    beside: true,
    make: esxDelta("vmfsSparse", "VMFSSPARSE", (disk) => makeCowd(SECTORS, hidden(disk, 512))),
  },
  {
    name: "VMDK seSparse on vmfs",
    format: "vmdk",
    variant: "seSparse",
    beside: true,
    make: esxDelta("seSparse", "SESPARSE", (disk) => {
      const grains = new Map<number, Grain>(hidden(disk, 4096));
      for (let at = ZEROS.at; at < ZEROS.at + ZEROS.length; at += 4096) grains.set(at / 4096, "zero");
      return makeSeSparse(SECTORS, grains);
    }),
  },
  {
    name: "VHD differencing",
    format: "vhd",
    variant: "differencing",
    beside: true,
    make: async (folder, disk) => {
      const base = await ours(folder, "base.raw", "base.vhd");
      const locators = { W2ru: ".\\base.vhd" };
      const sectors = hidden(disk, 512);
      return save(
        folder,
        "top.vhd",
        makeVhdDifference({ size: MATRIX_SIZE, parentId: vhdUniqueId(base), locators, sectors }),
      );
    },
  },
  {
    name: "VHDX differencing",
    format: "vhdx",
    variant: "differencing",
    beside: true,
    make: async (folder, disk) => {
      const base = await ours(folder, "base.raw", "base.vhdx", { block_size: MIB });
      folder.raw("empty.raw", MATRIX_SIZE, []);
      const empty = await ours(folder, "empty.raw", "empty.vhdx", { block_size: MIB });
      const sectors = new Map([...hidden(disk, 512)].filter(([sector]) => sector * 512 < ZEROS.at));
      const locator = { parent_linkage: vhdxLinkage(base), relative_path: ".\\base.vhdx" };
      // All of the third block is zero.
      const states = new Map([[ZEROS.at / MIB, 2]]);
      return save(folder, "top.vhdx", makeVhdxDifference(empty, { locator, sectors, states }));
    },
  },
  {
    name: "VDI differencing",
    format: "vdi",
    variant: "differencing",
    beside: true,
    make: async (folder, disk) => {
      const base = await ours(folder, "base.raw", "base.vdi");
      const blocks = new Map<number, Uint8Array | "zero">([
        [DATA.at / MIB, disk.subarray(DATA.at, DATA.at + MIB)],
        [ZEROS.at / MIB, "zero"],
      ]);
      return save(folder, "{top}.vdi", makeVdiDifference(base, blocks, randomBytes(16), randomBytes(16)));
    },
  },
];

const OURS: readonly ReadableRow[] = (
  [
    ["VMDK streamOptimized, directory at the end", "vmdk", "streamOptimized", { subformat: "streamOptimized" }],
    ["VMDK vmfs", "vmdk", "vmfs", { subformat: "vmfs" }],
    ["VHDX, sectors of 4096 bytes", "vhdx", "dynamic", { logical_sector_size: 4096 }],
    ["VHDX, blocks of 256 MiB", "vhdx", "dynamic", { block_size: 256 * MIB }],
  ] as const
).map(([name, format, variant, options]) => ({
  name,
  format,
  variant,
  beside: variant === "vmfs",
  piped: variant === "streamOptimized",
  rounded: "logical_sector_size" in options,
  make: async (folder) => {
    await ours(folder, "disk.raw", `image.${format}`, options);
    return `image.${format}`;
  },
}));

/** Blocks 0 and 1 have each the other's place in the table, until the log is applied. */
async function dirtyVhdx(folder: Scratch): Promise<string> {
  const clean = await ours(folder, "disk.raw", "clean.vhdx", { block_size: MIB });
  const page = Buffer.from(clean.subarray(VHDX_TABLE_AT, VHDX_TABLE_AT + 4096));
  const broken = Buffer.from(clean);
  broken.writeBigUInt64LE(page.readBigUInt64LE(0), VHDX_TABLE_AT + 8);
  broken.writeBigUInt64LE(page.readBigUInt64LE(8), VHDX_TABLE_AT);
  const entry = vhdxLogEntry(1n, 0, [{ at: VHDX_TABLE_AT, page }], clean.length);
  return save(folder, "dirty.vhdx", crashedVhdx(broken, [[0, entry]]));
}

function streamOptimized(folder: Scratch): string {
  folder.qemuImg("convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "-f", "raw", "disk.raw", "disk.vmdk");
  return "disk.vmdk";
}

/** Descriptor, manifest and disk, as vSphere exports them. */
function ovf(folder: Scratch, packed: boolean): readonly string[] {
  const file = streamOptimized(folder);
  if (packed) save(folder, file, gzipSync(readFileSync(folder.path(file)), { level: 1 }));
  const text = vsphereOvf(folder, [{ file, attributes: `ovf:capacity="${MATRIX_SIZE}"` }]);
  save(folder, "in.ovf", packed ? text.replace('ovf:id="file1"', 'ovf:id="file1" ovf:compression="gzip"') : text);
  writeManifest(folder, "in.mf", "sha256", ["in.ovf", file]);
  return ["in.ovf", "in.mf", file];
}

function ova(folder: Scratch, format: string, packed = false): string {
  tar(folder, "in.ova", ovf(folder, packed), format);
  return "in.ova";
}

function xva(folder: Scratch, disk: Buffer): string {
  mkdirSync(folder.path("Ref:4"));
  const names = ["ova.xml"];
  for (let at = 0; at < disk.length; at += MIB) {
    const block = disk.subarray(at, at + MIB);
    // Those of zeros are left out, but not the first and the last.
    const last = at + MIB >= disk.length;
    if (at > 0 && !last && block.every((byte) => byte === 0)) continue;
    const name = save(folder, `Ref:4/${String(at / MIB).padStart(8, "0")}`, block);
    save(folder, `${name}.checksum`, createHash("sha1").update(block).digest("hex"));
    names.push(name, `${name}.checksum`);
  }
  save(folder, "ova.xml", xapiRecords([{ ref: "Ref:4", name: "root", size: disk.length }]));
  tar(folder, "in.xva", names, "v7");
  return "in.xva";
}

const inVmdk = { format: "vmdk", variant: "streamOptimized" } as const;
const PACKAGES: readonly ReadableRow[] = [
  { name: "OVA (ustar)", ...inVmdk, piped, container: "ova", make: (folder) => ova(folder, "ustar") },
  { name: "OVA (pax)", ...inVmdk, container: "ova", make: (folder) => ova(folder, "pax") },
  { name: "OVA with a gzip'ed disk", ...inVmdk, container: "ova", make: (folder) => ova(folder, "ustar", true) },
  { name: "OVF", ...inVmdk, container: "ovf", beside: true, make: (folder) => ovf(folder, false)[0] ?? "" },
  { name: "XVA", format: "raw", variant: "XVA blocks", container: "xva", make: xva },
];

function packed(program: string, args: readonly string[], ending: string, make: ReadableRow["make"]) {
  return async (folder: Scratch, disk: Buffer): Promise<string> => {
    const name = await make(folder, disk);
    const target = `${name}.${ending}`;
    const words = ending === "zip" ? [...args, target, name] : [...args, name];
    execFileSync(program, words, { cwd: folder.folder, stdio: "pipe" });
    return target;
  };
}
const qemu = (driver: string, name: string, ...options: string[]) => {
  return (folder: Scratch): string => {
    folder.qemuImg("convert", "-f", "raw", "-O", driver, ...options, "disk.raw", name);
    return name;
  };
};
const gz = (make: ReadableRow["make"]) => packed("gzip", ["-k", "-1"], "gz", make);

const PACKED: readonly ReadableRow[] = [
  { name: "qcow2.gz", format: "qcow2", variant: "v3", packing: "gzip", make: gz(qemu("qcow2", "disk.qcow2")) },
  {
    name: "fixed vhd.gz",
    format: "vhd",
    variant: "fixed",
    packing: "gzip",
    make: gz(qemu("vpc", "disk.vhd", "-o", "subformat=fixed,force_size=on")),
  },
  { name: "ova.gz", ...inVmdk, packing: "gzip", container: "ova", make: gz((folder) => ova(folder, "ustar")) },
  { name: "vmdk.xz", ...inVmdk, piped, packing: "xz", make: packed("xz", ["-k", "-0"], "xz", streamOptimized) },
  {
    name: "img.zst",
    format: "raw",
    variant: "sparse",
    packing: "zstd",
    make: packed("zstd", ["-q", "-1"], "zst", qemu("raw", "disk.img")),
  },
  {
    name: "vhdx.zip",
    format: "vhdx",
    variant: "dynamic",
    packing: "zip",
    make: packed("zip", ["-q", "-1"], "zip", qemu("vhdx", "disk.vhdx")),
  },
  {
    name: "vdi.zip",
    format: "vdi",
    variant: "dynamic",
    packing: "zip",
    make: packed("zip", ["-q", "-1"], "zip", qemu("vdi", "disk.vdi")),
  },
];

export const READABLE_OTHER: readonly ReadableRow[] = [
  { name: "raw", format: "raw", variant: "sparse", piped, make: () => "disk.raw" },
  ...OURS,
  { name: "VHDX with a log to apply", format: "vhdx", variant: "dynamic", piped, make: dirtyVhdx },
  ...CHAINS,
  ...PACKAGES,
  ...PACKED,
];
