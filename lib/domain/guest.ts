/** What can be told about a guest from its disk alone. */
import { z } from "zod";

const bytes = z.number().int().nonnegative();

export const Partition = z.object({
  index: z.number().int(),
  /** Bytes from the start of the disk. */
  start: bytes,
  length: bytes,
  /** Type in words: `EFI System`, `Linux filesystem`, `BIOS boot`, `NTFS/exFAT`. */
  type: z.string(),
  /** GPT type GUID or MBR type byte (`0x83`). */
  typeCode: z.string(),
  name: z.string().nullable(),
  bootable: z.boolean(),
  /** ext4, vfat, ntfs, bitlocker, xfs, btrfs, swap, lvm2, luks, zfs, ufs; null = not recognised. */
  fileSystem: z.string().nullable(),
  label: z.string().nullable(),
});
export type Partition = z.infer<typeof Partition>;

/** A program that UEFI firmware can start. */
const EfiLoader = z.object({
  path: z.string(),
  /** As hosts call theirs: `x86_64`, `aarch64`, `i686`; null: not told. */
  arch: z.string().nullable(),
  /** It lies where firmware looks without a boot entry of its own. */
  fallback: z.boolean(),
});
export type EfiLoader = z.infer<typeof EfiLoader>;

export const GuestFacts = z.object({
  partitionTable: z.enum(["gpt", "mbr", "none"]),
  /** Bytes that the partition table counts in. */
  sectorSize: z.number().int(),
  partitions: z.array(Partition),
  /** Firmware that the disk can boot with; both empty = none found. */
  boots: z.object({ bios: z.boolean(), uefi: z.boolean() }),
  /** Absent: never looked for. */
  efiLoaders: z.array(EfiLoader).optional(),
  /** Why we say so, one line a fact. */
  bootEvidence: z.array(z.string()),
  os: z
    .object({
      id: z.string(),
      name: z.string(),
      version: z.string().nullable(),
      family: z.enum(["linux", "windows", "other"]),
    })
    .nullable(),
  /** Damaged tables, unreadable file systems: what could not be read and why. */
  notes: z.array(z.string()),
});
export type GuestFacts = z.infer<typeof GuestFacts>;

/** Share of each equal slice of the disk that holds data, 0…1, first to last. */
export const AllocationMap = z.object({ slices: z.array(z.number().min(0).max(1)), dataBytes: bytes });
export type AllocationMap = z.infer<typeof AllocationMap>;
