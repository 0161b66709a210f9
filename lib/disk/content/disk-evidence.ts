/** Whether a file holds what disks hold: a partition table, a file system, a volume of a volume manager. */
import { HEAD_BYTES, type Sample, stands } from "./content.ts";

interface Evidence {
  /** A noun with its article. */
  readonly what: string;
  /** Bytes that the disk must have by its partition table; 0: it has none. */
  readonly needs: number;
  /** Bytes of the sectors that a GPT counts. */
  readonly sectorBytes?: number;
}

const MARKS: readonly (readonly [at: number, bytes: string, what: string])[] = [
  [1080, "\x53\xef", "an ext2, ext3 or ext4 file system"],
  [0, "XFSB", "an XFS file system"],
  [65_600, "_BHRfS_M", "a Btrfs file system"],
  [3, "NTFS    ", "an NTFS file system"],
  [3, "ReFS\0\0\0\0", "an ReFS file system"],
  [3, "EXFAT   ", "an exFAT file system"],
  [82, "FAT32   ", "a FAT file system"],
  [54, "FAT16   ", "a FAT file system"],
  [54, "FAT12   ", "a FAT file system"],
  [32, "NXSB", "an APFS container"],
  [1024, "H+\0\x04", "an HFS+ file system"],
  [1024, "HX\0\x05", "an HFS+ file system"],
  [1024, "\x10\x20\xf5\xf2", "an F2FS file system"],
  [32_768, "JFS1", "a JFS file system"],
  [65_588, "ReIsEr", "a ReiserFS file system"],
  [512, "LABELONE", "a physical volume of LVM"],
  [536, "LVM2 001", "a physical volume of LVM"],
  [0, "\xfc\x4e\x2b\xa9", "a member of a Linux software RAID"],
  [4096, "\xfc\x4e\x2b\xa9", "a member of a Linux software RAID"],
  [4086, "SWAPSPACE2", "swap space"],
  [0, "TWNWCONTENTS", "a VMFS volume"],
];
const TABLE = MARKS.map(([at, text, what]) => ({ at, bytes: Buffer.from(text, "latin1"), what }));

/** null: nothing of a disk. */
export function diskEvidence(sample: Sample): Evidence | null {
  // A file system's boot sector ends like a partition table's; a table that was made over a file system leaves the rest of it.
  return gpt(sample) ?? fileSystem(sample, 0, 512) ?? mbr(sample) ?? fileSystem(sample, 512, HEAD_BYTES);
}

function fileSystem(sample: Sample, from: number, to: number): Evidence | null {
  const found = TABLE.find(({ at, bytes }) => at >= from && at < to && stands(sample, bytes, at));
  return found === undefined ? null : { what: `${found.what}, without a partition table`, needs: 0 };
}

const PROTECTIVE = 0xee;

function gpt({ head }: Sample): Evidence | null {
  for (const sector of [512, 4096]) {
    if (head.length < sector + 92 || head.toString("latin1", sector, sector + 8) !== "EFI PART") continue;
    const last = Number(head.readBigUInt64LE(sector + 32));
    const needs = (last + 1) * sector;
    return {
      what: sector === 512 ? "a GPT partition table" : "a GPT partition table for sectors of 4096 bytes",
      needs: Number.isSafeInteger(needs) ? needs : sector,
      sectorBytes: sector,
    };
  }
  return null;
}

function mbr({ head }: Sample): Evidence | null {
  if (head.length < 512 || head.readUInt16LE(510) !== 0xaa55) return null;
  let needs = 0;
  let partitions = 0;
  for (let at = 446; at < 510; at += 16) {
    const status = head.readUInt8(at);
    const type = head.readUInt8(at + 4);
    const start = head.readUInt32LE(at + 8);
    const length = head.readUInt32LE(at + 12);
    if (status !== 0 && status !== 0x80) return null;
    if (type === 0) continue;
    if (start === 0 || length === 0) return null;
    partitions++;
    if (type !== PROTECTIVE) needs = Math.max(needs, (start + length) * 512);
  }
  return partitions === 0 ? null : { what: "an MBR partition table", needs: Math.max(needs, 512) };
}
