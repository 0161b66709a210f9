/** What a disk says of its guest: partitions, file systems, firmware, operating system. Damage gives notes, never failure. */
import type { BlockSource } from "#lib/disk/block-source.ts";
import type { GuestFacts, Partition } from "#lib/domain/guest.ts";
import { ExtReader } from "./ext.ts";
import { listEfiLoaders } from "./fat.ts";
import { recogniseFileSystem } from "./file-system.ts";
import { parseOsRelease } from "./os-release.ts";
import { readPartitionTable } from "./partition-table.ts";
import { windowOf } from "./window.ts";

/** More than these are listed, not looked into. */
const MOST_LOOKED_INTO = 64;

export async function inspectGuest(disk: BlockSource, signal?: AbortSignal): Promise<GuestFacts> {
  const table = await readPartitionTable(windowOf(disk, 0, disk.size, signal));
  const notes = [...table.notes];
  const evidence: string[] = [];
  const boots = { bios: false, uefi: false };
  const partitions: Partition[] = [];
  let os: GuestFacts["os"] = null;
  let windows = false;
  // A file system that fills the disk without a table is looked into as well.
  const places =
    table.kind === "none"
      ? [{ partition: null, start: 0, length: disk.size }]
      : table.partitions.map((partition) => ({ partition, start: partition.start, length: partition.length }));

  for (const [index, place] of places.entries()) {
    signal?.throwIfAborted();
    const part = windowOf(disk, place.start, place.length, signal);
    const system = index < MOST_LOOKED_INTO && place.start < disk.size ? await recogniseFileSystem(part) : null;
    if (place.partition !== null)
      partitions.push({ ...place.partition, fileSystem: system?.id ?? null, label: system?.label ?? null });
    if (system === null) continue;
    if (system.id === "vfat") {
      const loaders = await listEfiLoaders(part);
      const first = loaders.find((path) => path.startsWith("EFI/BOOT/BOOT")) ?? loaders[0];
      if (first !== undefined) {
        boots.uefi = true;
        evidence.push(`UEFI: ${first}${place.partition === null ? "" : ` in partition ${place.partition.index}`}`);
      }
    }
    if (system.id === "ntfs") windows = true;
    if (os === null && system.id.startsWith("ext")) os = await linuxOn(part, notes);
  }

  const biosBoot = table.partitions.find((partition) => partition.type === "BIOS boot");
  const active = table.partitions.find((partition) => partition.bootable);
  if (table.bootCode && table.kind === "gpt" && biosBoot !== undefined) {
    boots.bios = true;
    evidence.push(`BIOS: boot code in the first sector and a BIOS boot partition (${biosBoot.index})`);
  } else if (table.bootCode && table.kind === "mbr") {
    boots.bios = true;
    evidence.push(
      active === undefined
        ? "BIOS: boot code in the first sector"
        : `BIOS: boot code in the first sector and active partition ${active.index}`,
    );
  } else if (table.bootCode && table.kind === "gpt" && !boots.uefi) {
    boots.bios = true;
    evidence.push("BIOS: boot code in the first sector, and no UEFI loader");
  }
  if (os === null && windows) os = { id: "windows", name: "Windows", version: null, family: "windows" };
  return {
    partitionTable: table.kind,
    sectorSize: table.sectorSize,
    partitions,
    boots,
    bootEvidence: evidence,
    os,
    notes,
  };
}

async function linuxOn(part: ReturnType<typeof windowOf>, notes: string[]): Promise<GuestFacts["os"]> {
  const reader = await ExtReader.open(part);
  if (reader === null) {
    notes.push("An ext file system could not be read.");
    return null;
  }
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    const bytes = await reader.readFile(path);
    const os = bytes === null ? null : parseOsRelease(bytes.toString("utf8"));
    if (os !== null) return os;
  }
  // A root without os-release is Linux still.
  return (await reader.exists("/sbin/init")) ? { id: "linux", name: "Linux", version: null, family: "linux" } : null;
}
