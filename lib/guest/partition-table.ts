/** MBR and GPT. Sources: UEFI specification 2.10, section 5; extended partitions as every boot manager reads them. */
import { crc32 } from "node:zlib";
import type { Partition } from "#lib/domain/guest.ts";
import { u64, type Window } from "./window.ts";

export type BarePartition = Omit<Partition, "fileSystem" | "label">;

export interface PartitionTable {
  readonly kind: "gpt" | "mbr" | "none";
  readonly sectorSize: number;
  readonly partitions: readonly BarePartition[];
  /** Boot code stands in the first sector. */
  readonly bootCode: boolean;
  readonly notes: readonly string[];
}

const GPT_TYPES: Record<string, string> = {
  "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI System",
  "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
  "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux filesystem",
  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
  "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
  "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
  "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
  "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
  "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
  "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
  "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
};

const MBR_TYPES: Record<number, string> = {
  0x01: "FAT12",
  0x04: "FAT16",
  0x05: "Extended",
  0x06: "FAT16",
  0x07: "NTFS/exFAT",
  0x0b: "FAT32",
  0x0c: "FAT32 (LBA)",
  0x0e: "FAT16 (LBA)",
  0x0f: "Extended (LBA)",
  0x27: "Windows recovery",
  0x82: "Linux swap",
  0x83: "Linux filesystem",
  0x8e: "Linux LVM",
  0xa5: "FreeBSD",
  0xee: "GPT protective",
  0xef: "EFI System",
  0xfd: "Linux RAID",
};

const EXTENDED = new Set([0x05, 0x0f, 0x85]);
/** More logical partitions than any system makes: a loop otherwise. */
const MOST_LOGICAL = 128;
const MOST_ENTRIES = 1024;

export async function readPartitionTable(disk: Window): Promise<PartitionTable> {
  const first = await disk.read(0, 512);
  const none: PartitionTable = { kind: "none", sectorSize: 512, partitions: [], bootCode: false, notes: [] };
  if (first === null) return none;
  const signed = first.readUInt16LE(510) === 0xaa55;
  const bootCode = signed && first.subarray(0, 440).some((byte) => byte !== 0);
  for (const sectorSize of [512, 4096]) {
    const gpt = await readGpt(disk, sectorSize);
    if (gpt !== null) return { kind: "gpt", sectorSize, bootCode, ...gpt };
  }
  if (!signed) return none;
  // A FAT or NTFS volume without a table has the same signature and no sensible entries.
  const entries = mbrEntries(first);
  if (
    !entries.every((entry) => entry.status === 0 || entry.status === 0x80) ||
    entries.every((entry) => entry.type === 0)
  )
    return { ...none, bootCode };
  const mbr = await readMbr(disk, entries);
  return { kind: "mbr", sectorSize: 512, bootCode, ...mbr };
}

function guid(bytes: Buffer): string {
  const part = (buffer: Buffer) => buffer.toString("hex");
  const swap = (from: number, to: number) => part(Buffer.from(bytes.subarray(from, to)).reverse());
  return `${swap(0, 4)}-${swap(4, 6)}-${swap(6, 8)}-${part(bytes.subarray(8, 10))}-${part(bytes.subarray(10, 16))}`;
}

interface Found {
  readonly partitions: BarePartition[];
  readonly notes: string[];
}

async function readGpt(disk: Window, sectorSize: number): Promise<Found | null> {
  const primary = await readGptAt(disk, sectorSize, sectorSize);
  if (primary !== null && primary.whole) return { partitions: primary.partitions, notes: primary.notes };
  const last = Math.floor(disk.size / sectorSize) * sectorSize - sectorSize;
  const backup = last > sectorSize ? await readGptAt(disk, last, sectorSize) : null;
  if (backup?.whole)
    return {
      partitions: backup.partitions,
      notes: ["The primary partition table is damaged; its backup at the end of the disk was read.", ...backup.notes],
    };
  return primary === null
    ? null
    : {
        partitions: primary.partitions,
        notes: ["The partition table's checksum is wrong, and there is no good backup.", ...primary.notes],
      };
}

async function readGptAt(disk: Window, at: number, sectorSize: number): Promise<(Found & { whole: boolean }) | null> {
  const header = await disk.read(at, 512);
  if (header === null || header.toString("latin1", 0, 8) !== "EFI PART") return null;
  const notes: string[] = [];
  const headerSize = header.readUInt32LE(12);
  const count = header.readUInt32LE(80);
  const entrySize = header.readUInt32LE(84);
  const tableLba = u64(header, 72);
  if (
    headerSize < 92 ||
    headerSize > 512 ||
    entrySize < 128 ||
    entrySize > 4096 ||
    count > MOST_ENTRIES ||
    tableLba === null
  ) {
    return { partitions: [], notes: ["The partition table's header makes no sense."], whole: false };
  }
  const checked = Buffer.from(header.subarray(0, headerSize));
  checked.fill(0, 16, 20);
  let whole = crc32(checked) === header.readUInt32LE(16);
  const table = await disk.read(tableLba * sectorSize, count * entrySize);
  if (table === null) return { partitions: [], notes: ["The partition table lies outside the disk."], whole: false };
  if (crc32(table) !== header.readUInt32LE(88)) whole = false;
  const partitions: BarePartition[] = [];
  for (let index = 0; index < count; index += 1) {
    const entry = table.subarray(index * entrySize, (index + 1) * entrySize);
    const type = guid(entry.subarray(0, 16));
    if (type === "00000000-0000-0000-0000-000000000000") continue;
    const firstLba = u64(entry, 32);
    const lastLba = u64(entry, 40);
    if (firstLba === null || lastLba === null || lastLba < firstLba || lastLba * sectorSize > Number.MAX_SAFE_INTEGER) {
      notes.push(`Partition ${index + 1} has impossible bounds and was left out.`);
      continue;
    }
    const length = (lastLba - firstLba + 1) * sectorSize;
    if (firstLba * sectorSize + length > disk.size)
      notes.push(`Partition ${index + 1} goes beyond the end of the disk.`);
    partitions.push({
      index: index + 1,
      start: firstLba * sectorSize,
      length,
      type: GPT_TYPES[type] ?? "Unknown",
      typeCode: type,
      name: entry.toString("utf16le", 56, 128).split("\0", 1)[0] || null,
      // Legacy BIOS bootable, bit 2.
      bootable: (entry[48] ?? 0) % 8 >= 4,
    });
  }
  return { partitions, notes, whole };
}

interface MbrEntry {
  readonly status: number;
  readonly type: number;
  /** Sectors. */
  readonly start: number;
  readonly length: number;
}

function mbrEntries(sector: Buffer): MbrEntry[] {
  return [0, 1, 2, 3].map((index) => {
    const at = 446 + index * 16;
    return {
      status: sector.readUInt8(at),
      type: sector.readUInt8(at + 4),
      start: sector.readUInt32LE(at + 8),
      length: sector.readUInt32LE(at + 12),
    };
  });
}

async function readMbr(disk: Window, entries: readonly MbrEntry[]): Promise<Found> {
  const partitions: BarePartition[] = [];
  const notes: string[] = [];
  const add = (index: number, entry: MbrEntry, base: number): void => {
    const start = (base + entry.start) * 512;
    if (start + entry.length * 512 > disk.size) notes.push(`Partition ${index} goes beyond the end of the disk.`);
    partitions.push({
      index,
      start,
      length: entry.length * 512,
      type: MBR_TYPES[entry.type] ?? "Unknown",
      typeCode: `0x${entry.type.toString(16).padStart(2, "0")}`,
      name: null,
      bootable: entry.status === 0x80,
    });
  };
  for (const [index, entry] of entries.entries()) {
    if (entry.type === 0 || entry.length === 0) continue;
    if (!EXTENDED.has(entry.type)) {
      add(index + 1, entry, 0);
      continue;
    }
    // A chain of little tables, each with one partition and the way to the next.
    const seen = new Set<number>();
    let next = entry.start;
    let number = 5;
    while (next !== 0 && seen.size < MOST_LOGICAL) {
      if (seen.has(next)) {
        notes.push("The chain of logical partitions runs in a circle.");
        break;
      }
      seen.add(next);
      const sector = await disk.read(next * 512, 512);
      if (sector === null || sector.readUInt16LE(510) !== 0xaa55) {
        notes.push("The chain of logical partitions is broken.");
        break;
      }
      const [own, link] = mbrEntries(sector);
      if (own !== undefined && own.type !== 0 && own.length !== 0) add(number++, own, next);
      next = link !== undefined && EXTENDED.has(link.type) ? entry.start + link.start : 0;
    }
  }
  return { partitions, notes };
}
