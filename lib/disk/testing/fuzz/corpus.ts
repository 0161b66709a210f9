/** Sound images of every format, small, and where their headers and tables lie: what mutants are made from. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { DISK_FORMATS } from "#lib/domain/disk-format.ts";
import { convertFile } from "../../file-conversion.ts";
import { mendTar, mendVhd, mendVhdx } from "../mend.ts";
import { PIPED } from "../hostile.ts";
import { Scratch } from "../scratch.ts";
import { makeChains } from "./chains.ts";
import { makePackages } from "./packages.ts";

export interface Specimen {
  readonly name: string;
  readonly bytes: Buffer;
  /** [offset, length] of what damage should fall on. */
  readonly ranges: readonly (readonly [number, number])[];
  readonly mend?: (image: Buffer) => void;
  /** What lies in the same folder, undamaged. */
  readonly beside?: ReadonlyMap<string, Uint8Array>;
  /** The file that is opened. Default: the damaged one. */
  readonly opens?: string;
}

const KIB = 1024;
const MIB = 1024 ** 2;

const VARIANTS: readonly (readonly [name: string, driver: string, options: readonly string[]])[] = [
  ["v2.qcow2", "qcow2", ["-o", "compat=0.10"]],
  ["v3.qcow2", "qcow2", []],
  ["tiny-clusters.qcow2", "qcow2", ["-o", "cluster_size=512"]],
  ["subclusters.qcow2", "qcow2", ["-o", "extended_l2=on"]],
  ["zlib.qcow2", "qcow2", ["-c"]],
  ["zstd.qcow2", "qcow2", ["-c", "-o", "compression_type=zstd"]],
  ["sparse.vmdk", "vmdk", ["-o", "subformat=monolithicSparse"]],
  ["stream.vmdk", "vmdk", ["-o", "subformat=streamOptimized"]],
  ["dynamic.vhd", "vpc", ["-o", "subformat=dynamic,force_size=on"]],
  ["fixed.vhd", "vpc", ["-o", "subformat=fixed,force_size=on"]],
  ["dynamic.vhdx", "vhdx", ["-o", "subformat=dynamic,block_size=1048576"]],
  ["fixed.vhdx", "vhdx", ["-o", "subformat=fixed,block_size=1048576"]],
  ["dynamic.vdi", "vdi", []],
  ["fixed.vdi", "vdi", ["-o", "static=on"]],
  ["tables.qed", "qed", ["-o", "cluster_size=4k,table_size=2"]],
  ["expanding.hds", "parallels", ["-o", "cluster_size=65536"]],
];

/** Of our own writers, beside what each does without being told. */
const PACKED = [
  ["own-zlib", "qcow2", { compression: "zlib", cluster_size: 4096 }],
  ["own-zstd", "qcow2", { compression: "zstd" }],
  ["own-stream", "vmdk", { subformat: "streamOptimized" }],
] as const;

/** By qemu-img and by our own writers, from one disk of `size` bytes. */
export async function makeCorpus(size = 3 * MIB): Promise<Specimen[]> {
  using scratch = new Scratch();
  scratch.raw("disk.raw", size, [
    [0, 4096],
    [MIB + 512, 60_000],
    [size - 512, 512],
  ]);
  // What can be packed: noise would be stored by all of them.
  const raw = openSync(scratch.path("disk.raw"), "r+");
  writeSync(raw, Buffer.alloc(150_000, "a disk of words, "), 0, 150_000, 200_000);
  closeSync(raw);
  const found: Specimen[] = [];
  for (const [name, driver, options] of VARIANTS) {
    scratch.qemuImg("convert", "-f", "raw", "-O", driver, ...options, "disk.raw", name);
    found.push(specimen(`qemu-${name}`, readFileSync(scratch.path(name))));
  }
  const own = DISK_FORMATS.filter((format) => format !== "raw").map((format) => ["own", format, {}] as const);
  for (const [name, format, options] of [...own, ...PACKED]) {
    const target = scratch.path(`${name}.${format}`);
    await convertFile({ source: scratch.path("disk.raw"), target, to: format, options, from: "raw" });
    found.push(specimen(`${name}.${format}`, readFileSync(target)));
  }
  for (const file of ["stream.vmdk", "v3.qcow2", "dynamic.vhdx", "dynamic.vdi", "dynamic.vhd"]) {
    found.push(specimen(`${PIPED}${file}`, readFileSync(scratch.path(file))));
  }
  for (const each of makePacked(scratch)) found.push(specimen(`${PIPED}${each}`, readFileSync(scratch.path(each))));
  for (const { name, bytes, ...more } of await makeChains(scratch, size)) {
    found.push({ ...specimen(name, bytes), ...more });
  }
  for (const each of makePackages(scratch)) found.push({ ...each, mend: mendTar });
  return found;
}

function specimen(name: string, bytes: Buffer): Specimen {
  const whole: readonly [number, number] = [0, bytes.length];
  const front: readonly [number, number] = [0, Math.min(bytes.length, 2 * KIB)];
  const end: readonly [number, number] = [Math.max(0, bytes.length - 2 * KIB), 2 * KIB];
  const tables: (readonly [number, number])[] = [front, front, [0, Math.min(bytes.length, 64 * KIB)], end, whole];
  if (name.endsWith(".vhdx")) {
    // Headers, region tables, and the first pages of the metadata and of the block table.
    for (const at of [64, 128, 192, 256]) tables.push([at * KIB, 128]);
    for (const entry of [192 * KIB + 16, 192 * KIB + 48]) {
      const at = Number(bytes.readBigUInt64LE(entry + 16));
      // Items, and the parent locator of a difference.
      tables.push([at, 256], [at + 64 * KIB, 64], [at + 128 * KIB, 200]);
    }
    return { name, bytes, ranges: tables, mend: mendVhdx };
  }
  if (name.endsWith(".vhd")) return { name, bytes, ranges: tables, mend: mendVhd };
  if (name.endsWith(".qed")) {
    const l1 = Number(bytes.readBigUInt64LE(40));
    tables.push([l1, 64], [Number(bytes.readBigUInt64LE(l1)), 512]);
  }
  if (name.endsWith(".qcow2")) {
    const l1 = Number(bytes.readBigUInt64BE(40));
    const l2 = Number(bytes.readBigUInt64BE(l1) & 0x00ff_ffff_ffff_fe00n);
    tables.push([l1, 64], [l2, 512], [Number(bytes.readBigUInt64BE(48)), 64]);
  }
  return { name, bytes, ranges: tables.filter(([at]) => at < bytes.length) };
}

/** One image under every packing, made by the programs themselves. Answers the files' names. */
function makePacked(scratch: Scratch): readonly string[] {
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: scratch.folder, stdio: "pipe", timeout: 60_000 });
  run("gzip", "-k", "stream.vmdk");
  run("xz", "-0", "-k", "stream.vmdk");
  run("zstd", "-q", "stream.vmdk");
  run("zip", "-q", "stream.vmdk.zip", "stream.vmdk");
  return ["gz", "xz", "zst", "zip"].map((ending) => `stream.vmdk.${ending}`);
}
