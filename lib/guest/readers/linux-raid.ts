/** A member of a Linux RAID1: each holds all of it. Source: md's superblock of versions 1.1 and 1.2. */
import { u64, type Window, within } from "../window.ts";

const MARK = 0xa92b4efc;
const MIRROR = 1;

/** What the RAID holds; null: not one that is whole on each of its disks, or damaged. */
export async function mirroredBy(part: Window): Promise<Window | null> {
  for (const at of [4096, 0]) {
    const superblock = await part.read(at, 256);
    if (superblock === null || superblock.readUInt32LE(0) !== MARK || superblock.readUInt32LE(4) !== 1) continue;
    const [start, length] = [u64(superblock, 128), u64(superblock, 80)];
    if (superblock.readInt32LE(72) !== MIRROR || start === null || length === null) return null;
    // Sectors.
    return start === 0 ? null : within(part, start * 512, length * 512);
  }
  return null;
}
