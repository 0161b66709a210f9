/** What the code in a disk's or a partition's first sector is, as far as starting goes. */

/**
 * - `none`: there is no code, or it only says that the disk is not one to start from;
 * - `active`: the common kind, which starts the partition that is marked as active and nothing else;
 * - `windows`: a volume's own, which starts a loader file of Windows or DOS in its root directory;
 * - `own`: a boot loader that knows itself where to go on.
 */
export type BootCode = "none" | "active" | "windows" | "own";

/** In the code of Windows, of its forerunners and of SYSLINUX alike. */
const STARTS_ACTIVE = ["Missing operating system", "Error loading operating system", "Missing OS"];
/** The makers of file systems write a program that says so. */
const STARTS_NOTHING = ["This is not a bootable disk", "This is not a bootable disc"];
const STARTS_WINDOWS = ["BOOTMGR", "NTLDR", "IO      SYS", "KERNEL  SYS"];

const holds = (sector: Buffer, words: readonly string[]): boolean =>
  words.some((word) => sector.includes(word, 0, "latin1"));

/** `volume`: of a file system, whose parameters stand in the code's first bytes. */
export function bootCodeOf(sector: Buffer, volume: boolean): BootCode {
  if (sector.readUInt16LE(510) !== 0xaa55) return "none";
  const code = sector.subarray(volume ? 90 : 0, volume ? 510 : 440);
  if (code.every((byte) => byte === 0) || holds(sector, STARTS_NOTHING)) return "none";
  if (volume) return holds(sector, STARTS_WINDOWS) ? "windows" : "own";
  return holds(sector, STARTS_ACTIVE) ? "active" : "own";
}
