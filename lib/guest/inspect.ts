/** What a disk says of its guest: partitions, file systems, firmware, operating system. Damage gives notes, never failure. */
import type { BlockSource } from "#lib/disk/block-source.ts";
import type { ImageFacts } from "#lib/disk/format.ts";
import type { EfiLoader, GuestFacts, Partition } from "#lib/domain/guest.ts";
import { guestWarnings } from "#lib/domain/guest-warnings.ts";
import { biosBootOf } from "./bios-boot.ts";
import { efiLoadersOn } from "./efi.ts";
import { type FileSystem, recogniseFileSystem } from "./file-system.ts";
import { systemOn } from "./guest-system.ts";
import { readLvm } from "./readers/lvm.ts";
import { mirroredBy } from "./readers/linux-raid.ts";
import { type PartitionTable, readPartitionTable } from "./partition-table.ts";
import { type Window, windowOf } from "./window.ts";
import { WINDOWS } from "./windows.ts";

/** More than these are listed, not looked into. */
const MOST_LOOKED_INTO = 64;
/** Logical volumes, of all groups on the disk. */
const MOST_VOLUMES = 32;

export interface InspectOptions {
  /** What the image's format tells: some know the size of a sector. */
  readonly image?: Pick<ImageFacts, "details">;
  readonly signal?: AbortSignal;
}

export async function inspectGuest(disk: BlockSource, { image, signal }: InspectOptions = {}): Promise<GuestFacts> {
  const whole = windowOf(disk, 0, disk.size, signal);
  const table = await readPartitionTable(whole, saidSectorSize(image));
  const found = new Findings(signal);
  const partitions: Partition[] = [];
  let filling: FileSystem | null = null;
  if (table.kind === "none") {
    // A file system that fills the disk without a table is looked into as well.
    filling = await recogniseFileSystem(whole);
    if (filling !== null) await found.look(whole, filling, null);
  }
  for (const [index, partition] of table.partitions.entries()) {
    signal?.throwIfAborted();
    const part = windowOf(disk, partition.start, partition.length, signal);
    const looked = index < MOST_LOOKED_INTO && partition.start < disk.size;
    const system = looked ? await recogniseFileSystem(part) : null;
    partitions.push({ ...partition, fileSystem: system?.id ?? null, label: system?.label ?? null });
    if (system !== null) await found.look(part, system, partition.index);
    if (looked && partition.type === "EFI System" && !found.hasLoaderIn(partition.index))
      found.notes.push(
        `Partition ${partition.index} is an EFI system partition, but holds no boot loader${system === null ? ": it has no file system" : ""}.`,
      );
  }
  const uefi = found.loaders.length > 0;
  const bios = await biosBootOf(whole, table, { whole: filling, uefi });
  const os = found.os ?? found.systemOfLoaders(table);
  const guest = {
    partitionTable: table.kind,
    sectorSize: table.sectorSize,
    partitions,
    boots: { bios: bios.boots, uefi },
    efiLoaders: found.loaders.map(({ loader }) => loader),
    bootEvidence: [...found.evidence(), ...(bios.evidence === null ? [] : [bios.evidence])],
    os,
  };
  // What could not be read matters as long as nothing else tells the system.
  const unread = found.os === null ? found.unread : [];
  return { ...guest, notes: [...table.notes, ...found.notes, ...unread, ...guestWarnings(guest)] };
}

/** VHDX tells it. */
function saidSectorSize(image: Pick<ImageFacts, "details"> | undefined): number | null {
  const said = image?.details["logicalSectorSize"];
  return said === 512 || said === 4096 ? said : null;
}

/** What the places on a disk say together. */
class Findings {
  readonly notes: string[] = [];
  readonly unread: string[] = [];
  readonly loaders: { loader: EfiLoader; partition: number | null }[] = [];
  os: GuestFacts["os"] = null;
  readonly #signal: AbortSignal | undefined;
  readonly #systems = new Set<string>();
  #volumes = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  hasLoaderIn(index: number): boolean {
    return this.loaders.some(({ partition }) => partition === index);
  }

  /** `index`: of the partition; null: the file system fills the disk. */
  async look(part: Window, system: FileSystem, index: number | null): Promise<void> {
    const place = index === null ? "The disk" : `Partition ${index}`;
    if (system.id === "vfat")
      for (const loader of await efiLoadersOn(part)) this.loaders.push({ loader, partition: index });
    // LVM and plain file systems alike lie in mirrors.
    const mirrored = system.id === "linux-raid" ? await mirroredBy(part) : null;
    const inner = mirrored === null ? null : await recogniseFileSystem(mirrored);
    if (mirrored !== null && inner !== null && inner.id !== "linux-raid") return this.look(mirrored, inner, index);
    if (system.id === "lvm2") await this.#lookIntoGroup(part, place);
    else await this.#lookForSystem(part, system, place);
  }

  async #lookForSystem(part: Window, system: FileSystem, place: string): Promise<void> {
    this.#systems.add(system.id);
    if (this.os !== null && this.os.family !== "windows") return;
    const { os, unread } = await systemOn(part, system);
    if (unread !== null) this.unread.push(`${place} is ${unread}: a system on it is not known.`);
    // Windows beside another system is the one that a boot manager offers second.
    this.os = this.os?.family === "windows" && os !== null ? os : (this.os ?? os);
  }

  async #lookIntoGroup(part: Window, place: string): Promise<void> {
    const group = await readLvm(part);
    if (group === null) {
      this.unread.push(`${place} belongs to LVM, whose metadata could not be read: a system on it is not known.`);
      return;
    }
    const words: string[] = [];
    const whyNot = new Set<string>();
    for (const { name, content } of group.volumes) {
      this.#signal?.throwIfAborted();
      if (content !== null) this.#volumes += 1;
      const looked = this.#volumes <= MOST_VOLUMES ? content : null;
      const system = looked === null ? null : await recogniseFileSystem(looked);
      if (words.length < MOST_VOLUMES)
        words.push(`${name} (${looked === null ? "not read" : (system?.id ?? "not recognised")})`);
      if (content === null) whyNot.add("thin, striped, snapshots or partly on other disks");
      else if (looked === null) whyNot.add(`more than the ${MOST_VOLUMES} that are looked into`);
      if (looked !== null && system !== null)
        await this.#lookForSystem(looked, system, `Logical volume ${group.name}/${name}`);
    }
    if (whyNot.size > 0)
      this.unread.push(
        `Some logical volumes of ${group.name} are ${[...whyNot].join(", or ")}: a system on them is not known.`,
      );
    const more = group.volumes.length - words.length;
    if (more > 0) words.push(`${more} more`);
    this.notes.push(
      `${place} is LVM: volume group ${group.name} with ${words.length === 0 ? "no logical volumes" : words.join(", ")}.`,
    );
  }

  evidence(): string[] {
    const seen = new Set<number | null>();
    return this.loaders.flatMap(({ loader, partition }) => {
      if (seen.has(partition)) return [];
      seen.add(partition);
      return [`UEFI: ${loader.path}${partition === null ? "" : ` in partition ${partition}`}`];
    });
  }

  /** Where the system's own disk cannot be read, its loader still tells what it is. */
  systemOfLoaders({ partitions }: PartitionTable): GuestFacts["os"] {
    const has = (pattern: RegExp): boolean => this.loaders.some(({ loader }) => pattern.test(loader.path));
    if (this.#systems.has("bitlocker") && has(/^EFI\/Microsoft\/Boot\/bootmgfw\.efi$/i)) return WINDOWS;
    const freeBsd = partitions.some(({ type }) => type === "FreeBSD boot") || has(/^EFI\/FreeBSD\//i);
    if (freeBsd && (this.#systems.has("ufs") || this.#systems.has("zfs")))
      return { id: "freebsd", name: "FreeBSD", version: null, family: "other" };
    return null;
  }
}
