/** Just enough of FAT12/16/32 to find boot loaders in an EFI system partition. Source: Microsoft FAT specification 1.03. */
import type { Window } from "./window.ts";

interface Entry {
  readonly name: string;
  readonly directory: boolean;
  readonly cluster: number;
}

/** A directory of an EFI partition has a few entries, not thousands. */
const MOST_CLUSTERS = 64;
/** Bytes of directories that are read of one partition: one may be the content of all others. */
const MOST_READ = 4 * 1024 ** 2;

interface Layout {
  readonly bits: 12 | 16 | 32;
  readonly clusterBytes: number;
  readonly fat: number;
  readonly root: { readonly offset: number; readonly length: number } | { readonly cluster: number };
  clusterOffset(cluster: number): number;
}

async function layoutOf(part: Window): Promise<Layout | null> {
  const boot = await part.read(0, 512);
  if (boot === null) return null;
  const sector = boot.readUInt16LE(11);
  const perCluster = boot.readUInt8(13);
  const reserved = boot.readUInt16LE(14);
  const fats = boot.readUInt8(16);
  const rootEntries = boot.readUInt16LE(17);
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  const fatSectors = boot.readUInt16LE(22) || boot.readUInt32LE(36);
  if (![512, 1024, 2048, 4096].includes(sector) || perCluster === 0 || fats === 0 || fatSectors === 0) return null;
  const rootOffset = (reserved + fats * fatSectors) * sector;
  const rootLength = rootEntries * 32;
  const data = rootOffset + Math.ceil(rootLength / sector) * sector;
  const clusters = Math.floor((sectors * sector - data) / (perCluster * sector));
  const bits = clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32;
  return {
    bits,
    clusterBytes: perCluster * sector,
    fat: reserved * sector,
    root: bits === 32 ? { cluster: boot.readUInt32LE(44) } : { offset: rootOffset, length: rootLength },
    clusterOffset: (cluster) => data + (cluster - 2) * perCluster * sector,
  };
}

async function nextCluster(part: Window, layout: Layout, cluster: number): Promise<number | null> {
  const at = layout.fat + (layout.bits === 12 ? Math.floor(cluster * 1.5) : cluster * (layout.bits / 8));
  const bytes = await part.read(at, layout.bits === 32 ? 4 : 2);
  if (bytes === null) return null;
  const raw = layout.bits === 32 ? bytes.readUInt32LE(0) % 0x10000000 : bytes.readUInt16LE(0);
  const value = layout.bits === 12 ? (cluster % 2 === 0 ? raw % 0x1000 : Math.floor(raw / 16)) : raw;
  const end = layout.bits === 12 ? 0xff7 : layout.bits === 16 ? 0xfff7 : 0xffffff7;
  return value < 2 || value >= end ? null : value;
}

/** Up to a cluster that was read before, for a chain may run in a circle. `left`: bytes that may still be read. */
async function readChain(part: Window, layout: Layout, first: number, left: { bytes: number }): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const seen = new Set<number>();
  for (let cluster: number | null = first; cluster !== null && cluster >= 2 && !seen.has(cluster); ) {
    seen.add(cluster);
    left.bytes -= layout.clusterBytes;
    if (seen.size > MOST_CLUSTERS || left.bytes < 0) break;
    const piece = await part.read(layout.clusterOffset(cluster), layout.clusterBytes);
    if (piece === null) break;
    pieces.push(piece);
    cluster = await nextCluster(part, layout, cluster);
  }
  return Buffer.concat(pieces);
}

function parseDirectory(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    const first = bytes[at];
    if (first === 0) break;
    const attributes = bytes.readUInt8(at + 11);
    // Deleted, long-name parts and the volume label.
    if (first === 0xe5 || attributes % 16 === 0x0f || Math.floor(attributes / 8) % 2 === 1) continue;
    const base = bytes.toString("latin1", at, at + 8).trimEnd();
    const extension = bytes.toString("latin1", at + 8, at + 11).trimEnd();
    entries.push({
      name: (extension === "" ? base : `${base}.${extension}`).toUpperCase(),
      directory: Math.floor(attributes / 16) % 2 === 1,
      cluster: bytes.readUInt16LE(at + 20) * 65536 + bytes.readUInt16LE(at + 26),
    });
  }
  return entries;
}

/** Upper-case 8.3 paths of the loaders below /EFI, e.g. `EFI/BOOT/BOOTX64.EFI`. */
export async function listEfiLoaders(part: Window): Promise<string[]> {
  const layout = await layoutOf(part);
  if (layout === null) return [];
  const left = { bytes: MOST_READ };
  const root =
    "cluster" in layout.root
      ? await readChain(part, layout, layout.root.cluster, left)
      : await part.read(layout.root.offset, layout.root.length);
  if (root === null) return [];
  const efi = parseDirectory(root).find((entry) => entry.directory && entry.name === "EFI");
  if (efi === undefined) return [];
  const loaders: string[] = [];
  for (const vendor of parseDirectory(await readChain(part, layout, efi.cluster, left)).slice(0, 64)) {
    if (!vendor.directory || vendor.name.startsWith(".")) continue;
    for (const file of parseDirectory(await readChain(part, layout, vendor.cluster, left)).slice(0, 256)) {
      if (!file.directory && file.name.endsWith(".EFI")) loaders.push(`EFI/${vendor.name}/${file.name}`);
    }
  }
  return loaders;
}
