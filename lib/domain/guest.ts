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
  /** ext4, vfat, ntfs, xfs, btrfs, swap, lvm2, luks; null = not recognised. */
  fileSystem: z.string().nullable(),
  label: z.string().nullable(),
});
export type Partition = z.infer<typeof Partition>;

export const GuestFacts = z.object({
  partitionTable: z.enum(["gpt", "mbr", "none"]),
  sectorSize: z.number().int(),
  partitions: z.array(Partition),
  /** Firmware that the disk can boot with; both empty = none found. */
  boots: z.object({ bios: z.boolean(), uefi: z.boolean() }),
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
