/** Just enough of FAT12/16/32 to find boot loaders. Source: Microsoft FAT specification 1.03. */
import type { Window } from "../window.ts";

interface Entry {
  /** As it was written: the long name where there is one. */
  readonly name: string;
  readonly directory: boolean;
  readonly cluster: number;
  readonly size: number;
}

/** A program for UEFI firmware. */
export interface EfiProgram {
  /** From the root: `EFI/BOOT/BOOTX64.EFI`. */
  readonly path: string;
  /** Its first bytes, at most a page. */
  readonly head: Buffer;
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
  // FAT32 keeps the FAT's length in its wider field: small EFI partitions are made so with fewer clusters than it should have.
  const bits = boot.readUInt16LE(22) === 0 ? 32 : clusters < 4085 ? 12 : 16;
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

/** Thirteen characters of a long name, in three places of its entry. */
const LONG_PARTS = [
  [1, 11],
  [14, 26],
  [28, 32],
] as const;

function parseDirectory(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  // Parts of a long name stand before its entry, the last one first.
  let long = "";
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    const first = bytes[at];
    if (first === 0) break;
    const attributes = bytes.readUInt8(at + 11);
    if (first !== 0xe5 && attributes === 0x0f) {
      const text = LONG_PARTS.map(([from, to]) => bytes.toString("utf16le", at + from, at + to)).join("");
      // Bit 6: a new name begins.
      long = text + (bytes.readUInt8(at) >= 0x40 ? "" : long.slice(0, 255));
      continue;
    }
    const name = long.split("\0", 1)[0] ?? "";
    long = "";
    // Deleted, and the volume label.
    if (first === 0xe5 || Math.floor(attributes / 8) % 2 === 1) continue;
    entries.push({
      name: name === "" ? shortName(bytes, at) : name,
      directory: Math.floor(attributes / 16) % 2 === 1,
      cluster: bytes.readUInt16LE(at + 20) * 65536 + bytes.readUInt16LE(at + 26),
      size: bytes.readUInt32LE(at + 28),
    });
  }
  return entries;
}

/** Windows NT's flags in byte 12 say which half is written small. */
function shortName(bytes: Buffer, at: number): string {
  const flags = bytes.readUInt8(at + 12);
  const half = (from: number, to: number, mask: number): string => {
    const text = bytes.toString("latin1", at + from, at + to).trimEnd();
    return Math.floor(flags / mask) % 2 === 1 ? text.toLowerCase() : text;
  };
  const [base, extension] = [half(0, 8, 8), half(8, 11, 16)];
  return extension === "" ? base : `${base}.${extension}`;
}

async function readRoot(part: Window, layout: Layout, left: { bytes: number }): Promise<Entry[]> {
  const root =
    "cluster" in layout.root
      ? await readChain(part, layout, layout.root.cluster, left)
      : await part.read(layout.root.offset, layout.root.length);
  return root === null ? [] : parseDirectory(root);
}

/** Names in the root directory, in capitals. */
export async function listFatRoot(part: Window): Promise<string[]> {
  const layout = await layoutOf(part);
  if (layout === null) return [];
  return (await readRoot(part, layout, { bytes: MOST_READ })).map(({ name }) => name.toUpperCase());
}

/** Folders below /EFI and their own: `EFI/Microsoft/Boot` is the deepest that any system has. */
const DEEPEST = 2;
const MOST_FOLDERS = 64;
const MOST_FILES = 256;
const MOST_PROGRAMS = 256;

/** Programs below /EFI. What is empty, or no program by its first bytes, is none whatever its name. */
export async function listEfiPrograms(part: Window): Promise<EfiProgram[]> {
  const layout = await layoutOf(part);
  if (layout === null) return [];
  const left = { bytes: MOST_READ };
  const efi = (await readRoot(part, layout, left)).find(
    (entry) => entry.directory && entry.name.toUpperCase() === "EFI",
  );
  const programs: EfiProgram[] = [];
  const seen = new Set<number>();
  const look = async (folder: Entry, path: string, depth: number): Promise<void> => {
    if (seen.has(folder.cluster)) return;
    seen.add(folder.cluster);
    const entries = parseDirectory(await readChain(part, layout, folder.cluster, left));
    for (const file of entries.filter(({ directory }) => !directory).slice(0, MOST_FILES)) {
      if (!file.name.toUpperCase().endsWith(".EFI") || file.size === 0 || programs.length >= MOST_PROGRAMS) continue;
      const length = Math.min(4096, layout.clusterBytes);
      left.bytes -= length;
      const head = left.bytes < 0 ? null : await part.read(layout.clusterOffset(file.cluster), length);
      if (head?.toString("latin1", 0, 2) === "MZ")
        programs.push({ path: `${path}/${file.name}`, head: head.subarray(0, file.size) });
    }
    if (depth === 0) return;
    const folders = entries.filter(({ directory, name }) => directory && !name.startsWith("."));
    for (const inner of folders.slice(0, MOST_FOLDERS)) await look(inner, `${path}/${inner.name}`, depth - 1);
  };
  if (efi !== undefined) await look(efi, "EFI", DEEPEST);
  return programs;
}
