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
  if (is("EXFAT   ", 3)) return { id: "exfat", label: null };
  if (is("LUKS\xba\xbe", 0)) return { id: "luks", label: null };
  if (is("LABELONE", 512) && is("LVM2 001", 512 + 24)) return { id: "lvm2", label: null };
  if (is("SWAPSPACE2", 4086)) return { id: "swap", label: text(head, 1052, 1068) };
  if (head.length >= 32774 && is("CD001", 32769)) return { id: "iso9660", label: text(head, 32808, 32840) };
  if (head.readUInt16LE(510) === 0xaa55) {
    if (is("FAT32   ", 82)) return { id: "vfat", label: text(head, 71, 82) };
    if (is("FAT1", 54) || is("FAT     ", 54)) return { id: "vfat", label: text(head, 43, 54) };
  }
  return null;
}
