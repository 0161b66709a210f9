/** MBR and GPT. Sources: UEFI specification 2.10, section 5; extended partitions as every boot manager reads them. */
import { crc32 } from "node:zlib";
import type { Partition } from "#lib/domain/guest.ts";
import { recogniseFileSystem } from "./file-system.ts";
import { GPT_TYPES, MBR_TYPES } from "./partition-types.ts";
import { u64, type Window, within } from "./window.ts";

export type BarePartition = Omit<Partition, "fileSystem" | "label">;

export interface PartitionTable {
  readonly kind: "gpt" | "mbr" | "none";
  readonly sectorSize: number;
  readonly partitions: readonly BarePartition[];
  /** The first sector; null: the disk has none. */
  readonly first: Buffer | null;
  /** A GPT's first sector lists partitions of its own, and one of them is active. */
  readonly hybridActive: boolean;
  readonly notes: readonly string[];
}

const EXTENDED = new Set([0x05, 0x0f, 0x85]);
const PROTECTIVE = 0xee;
/** More logical partitions than any system makes: a loop otherwise. */
const MOST_LOGICAL = 128;
const MOST_ENTRIES = 1024;

/** `said`: bytes of a sector, as the image's format tells; null: it does not. */
export async function readPartitionTable(disk: Window, said: number | null = null): Promise<PartitionTable> {
  const first = await disk.read(0, 512);
  const none: PartitionTable = {
    kind: "none",
    sectorSize: said ?? 512,
    partitions: [],
    first,
    hybridActive: false,
    notes: [],
  };
  if (first === null) return none;
  const entries = entriesOf(first, disk.size, said);
  const used = entries?.filter((entry) => entry.type !== 0) ?? [];
  const protective = used.some((entry) => entry.type === PROTECTIVE);
  const notes: string[] = [];
  for (const sectorSize of said === 4096 ? [4096, 512] : [512, 4096]) {
    const gpt = await readGpt(disk, sectorSize);
    if (gpt === null) continue;
    // A GPT is only in force where the first sector says so: it may be left over from what the disk was before.
    if (!protective && (used.length > 0 || (gpt.backup && (await recogniseFileSystem(disk)) !== null))) {
      notes.push("A GUID partition table that is not in force is left over on the disk; it was not read.");
      break;
    }
    return {
      ...none,
      kind: "gpt",
      sectorSize,
      partitions: gpt.partitions,
      hybridActive: used.some((entry) => entry.type !== PROTECTIVE && entry.status === 0x80),
      notes: [
        ...(protective
          ? []
          : ["The first sector has no protective entry: some systems will not see the partition table."]),
        ...mismatch(sectorSize, said),
        ...gpt.notes,
      ],
    };
  }
  if (protective)
    notes.push(
      "The first sector says that there is a GUID partition table, but neither it nor its backup at the end of the disk can be read.",
    );
  if (entries === null || used.length === 0) return { ...none, notes };
  if (used.every((entry) => entry.type === PROTECTIVE)) return { ...none, kind: "gpt", notes };
  const sectorSize = said ?? (await sectorSizeOf(disk, used));
  const mbr = await readMbr(disk, entries, sectorSize);
  return { ...none, kind: "mbr", sectorSize, partitions: mbr.partitions, notes: [...notes, ...mbr.notes] };
}

function mismatch(found: number, said: number | null): string[] {
  return said === null || said === found
    ? []
    : [`The image says that its sectors have ${said} bytes, but its partition table was made for ${found}.`];
}

/** Null: it is no table. A FAT or NTFS volume without one has the same signature, and a program where entries would be. */
function entriesOf(first: Buffer, size: number, said: number | null): MbrEntry[] | null {
  if (first.readUInt16LE(510) !== 0xaa55) return null;
  const entries = mbrEntries(first);
  if (!entries.every((entry) => entry.status === 0 || entry.status === 0x80)) return null;
  const used = entries.filter((entry) => entry.type !== 0);
  const begins = used.some((entry) => entry.length > 0 && entry.start * (said ?? 512) < size);
  return used.length > 0 && !begins ? null : entries;
}

/** Nothing in an MBR tells: the file systems are where it means them to be. */
async function sectorSizeOf(disk: Window, entries: readonly MbrEntry[]): Promise<number> {
  for (const size of [512, 4096]) {
    for (const { start, length } of entries)
      if (start > 0 && (await recogniseFileSystem(within(disk, start * size, length * size))) !== null) return size;
  }
  return 512;
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

interface FoundGpt extends Found {
  /** Only the copy at the end of the disk is there. */
  readonly backup: boolean;
}

async function readGpt(disk: Window, sectorSize: number): Promise<FoundGpt | null> {
  const primary = await readGptAt(disk, sectorSize, sectorSize);
  if (primary !== null && primary.whole) return { ...primary, backup: false };
  const last = Math.floor(disk.size / sectorSize) * sectorSize - sectorSize;
  const backup = last > sectorSize ? await readGptAt(disk, last, sectorSize) : null;
  if (backup?.whole)
    return {
      backup: primary === null,
      partitions: backup.partitions,
      notes: ["The primary partition table is damaged; its backup at the end of the disk was read.", ...backup.notes],
    };
  return primary === null
    ? null
    : {
        backup: false,
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

async function readMbr(disk: Window, entries: readonly MbrEntry[], sectorSize: number): Promise<Found> {
  const partitions: BarePartition[] = [];
  const notes: string[] = [];
  const add = (index: number, entry: MbrEntry, base: number): void => {
    const start = (base + entry.start) * sectorSize;
    if (start + entry.length * sectorSize > disk.size)
      notes.push(`Partition ${index} goes beyond the end of the disk.`);
    partitions.push({
      index,
      start,
      length: entry.length * sectorSize,
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
      const sector = await disk.read(next * sectorSize, 512);
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
