/** Which file system a partition holds, by the marks that each keeps. */
import type { Window } from "./window.ts";

export interface FileSystem {
  readonly id: string;
  readonly label: string | null;
}

const text = (buffer: Buffer, from: number, to: number): string | null => {
  const value = buffer.toString("utf8", from, to).split("\0", 1)[0]?.trim() ?? "";
  return value === "" || value === "NO NAME" ? null : value;
};

/** Where the two versions of UFS keep their superblock. */
const UFS1 = 8192;
const UFS2 = 65536;

/** ZFS keeps a list of names and values behind the first 16 KiB, and numbers that begin with its mark from 128 KiB on. */
async function isZfs(part: Window): Promise<boolean> {
  const label = await part.read(16 * 1024, 4096);
  return (
    label !== null &&
    label.readUInt16BE(0) === 0x0101 &&
    label.includes("version", 0, "latin1") &&
    label.includes("pool_guid", 0, "latin1")
  );
}

export async function recogniseFileSystem(part: Window): Promise<FileSystem | null> {
  const head = await part.read(0, Math.min(part.size, 69 * 1024));
  if (head === null || head.length < 2048) return null;
  const is = (mark: string, at: number) => head.toString("latin1", at, at + mark.length) === mark;
  if (head.readUInt16LE(1024 + 56) === 0xef53) {
    const compatible = head.readUInt32LE(1024 + 92);
    const incompatible = head.readUInt32LE(1024 + 96);
    // Extents mean ext4; a journal means ext3 at least.
    const id =
      Math.floor(incompatible / 0x40) % 2 === 1 ? "ext4" : Math.floor(compatible / 4) % 2 === 1 ? "ext3" : "ext2";
    return { id, label: text(head, 1024 + 120, 1024 + 136) };
  }
  if (is("XFSB", 0)) return { id: "xfs", label: text(head, 108, 120) };
  if (head.length >= 65536 + 0x40 + 8 && is("_BHRfS_M", 65536 + 0x40))
    return { id: "btrfs", label: text(head, 65536 + 0x12b, 65536 + 0x12b + 256) };
  if (is("NTFS    ", 3)) return { id: "ntfs", label: null };
  if (is("-FVE-FS-", 3)) return { id: "bitlocker", label: null };
  if (is("ReFS\0\0\0\0", 3)) return { id: "refs", label: null };
  if (is("EXFAT   ", 3)) return { id: "exfat", label: null };
  if (is("LUKS\xba\xbe", 0)) return { id: "luks", label: null };
  // LVM's label stands in one of the first four sectors.
  for (const at of [0, 512, 1024, 1536])
    if (is("LABELONE", at) && is("LVM2 001", at + 24)) return { id: "lvm2", label: null };
  if (await isZfs(part)) return { id: "zfs", label: null };
  if (head.length >= UFS2 + 1376 && head.readUInt32LE(UFS2 + 1372) === 0x19540119)
    return { id: "ufs", label: text(head, UFS2 + 680, UFS2 + 712) };
  if (head.length >= UFS1 + 1376 && head.readUInt32LE(UFS1 + 1372) === 0x00011954) return { id: "ufs", label: null };
  if (head.length >= 4100 && (is("\xfc\x4e\x2b\xa9", 4096) || is("\xfc\x4e\x2b\xa9", 0)))
    return { id: "linux-raid", label: null };
  if (is("\x10\x20\xf5\xf2", 1024)) return { id: "f2fs", label: null };
  if (is("NXSB", 32)) return { id: "apfs", label: null };
  if (is("H+\0\x04", 1024) || is("HX\0\x05", 1024)) return { id: "hfsplus", label: null };
  if (is("SWAPSPACE2", 4086)) return { id: "swap", label: text(head, 1052, 1068) };
  if (head.length >= 32774 && is("CD001", 32769)) return { id: "iso9660", label: text(head, 32808, 32840) };
  if (head.readUInt16LE(510) === 0xaa55) {
    if (is("FAT32   ", 82)) return { id: "vfat", label: text(head, 71, 82) };
    if (is("FAT1", 54) || is("FAT     ", 54)) return { id: "vfat", label: text(head, 43, 54) };
  }
  return null;
}
