/** Whether BIOS firmware can start a disk: code in its first sector, and what that code goes on to. */
import { bootCodeOf } from "./boot-code.ts";
import { listFatRoot } from "./readers/fat.ts";
import type { FileSystem } from "./file-system.ts";
import { NtfsReader } from "./readers/ntfs.ts";
import type { PartitionTable } from "./partition-table.ts";
import { type Window, within } from "./window.ts";

export interface BiosBoot {
  readonly boots: boolean;
  /** Why, or why not; null: there is nothing to say. */
  readonly evidence: string | null;
}

const no = (evidence: string | null = null): BiosBoot => ({ boots: false, evidence });
const yes = (evidence: string): BiosBoot => ({ boots: true, evidence: `BIOS: ${evidence}` });

/** `whole`: the file system of a disk without a table. `uefi`: a loader for the other firmware was found. */
export async function biosBootOf(
  disk: Window,
  table: PartitionTable,
  { whole, uefi }: { whole: FileSystem | null; uefi: boolean },
): Promise<BiosBoot> {
  const { first } = table;
  if (first === null) return no();
  if (table.kind === "none") return withoutTable(disk, first, whole);
  const code = bootCodeOf(first, false);
  if (code === "none") return no();
  if (table.partitions.length === 0) return no("There is boot code in the first sector, but no partition to start.");
  return table.kind === "gpt" ? onGpt(table, code === "active", uefi) : onMbr(disk, table, code === "active");
}

const BOOT_PARTITIONS = ["BIOS boot", "FreeBSD boot"];

function onGpt({ partitions, hybridActive }: PartitionTable, active: boolean, uefi: boolean): BiosBoot {
  const own = partitions.find(({ type }) => BOOT_PARTITIONS.includes(type));
  if (own !== undefined) return yes(`boot code in the first sector and a ${own.type} partition (${own.index})`);
  const marked = partitions.find(({ bootable }) => bootable);
  if (marked !== undefined) return yes(`boot code in the first sector, and partition ${marked.index} is marked for it`);
  if (hybridActive) return yes("boot code in the first sector, and an active partition in its own table");
  // Windows writes its code to every disk, and it finds nothing there.
  if (active) return no("The boot code in the first sector starts an active partition, and there is none.");
  return uefi ? no() : yes("boot code in the first sector, and no UEFI loader");
}

async function onMbr(disk: Window, { partitions }: PartitionTable, needsActive: boolean): Promise<BiosBoot> {
  const active = partitions.find(({ bootable }) => bootable);
  if (!needsActive)
    return yes(`boot code in the first sector${active === undefined ? "" : ` and active partition ${active.index}`}`);
  if (active === undefined)
    return no("The boot code in the first sector starts an active partition, and there is none.");
  const sector = await within(disk, active.start, active.length).read(0, 512);
  return sector === null || bootCodeOf(sector, true) === "none"
    ? no(`Partition ${active.index} is active, but has no boot code.`)
    : yes(`boot code in the first sector and in active partition ${active.index}`);
}

async function withoutTable(disk: Window, first: Buffer, whole: FileSystem | null): Promise<BiosBoot> {
  const code = bootCodeOf(first, whole !== null);
  if (whole === null) return code === "own" ? yes("boot code in the first sector, and no partition table") : no();
  const what = `There is no partition table: ${whole.id} fills the disk`;
  if (code === "none") return no(`${what}, and has no boot code.`);
  if (code === "windows" && !(await hasLoaderFile(disk, whole.id)))
    return no(`${what}, and lacks the loader that its boot code starts.`);
  return yes(`${whole.id} fills the disk and has boot code; there is no partition table`);
}

const LOADER_FILES = ["BOOTMGR", "NTLDR", "IO.SYS", "KERNEL.SYS", "IBMBIO.COM"];

async function hasLoaderFile(disk: Window, fileSystem: string): Promise<boolean> {
  if (fileSystem === "vfat") return (await listFatRoot(disk)).some((name) => LOADER_FILES.includes(name));
  const volume = fileSystem === "ntfs" ? await NtfsReader.open(disk) : null;
  return volume !== null && ((await volume.exists("bootmgr")) || (await volume.exists("ntldr")));
}
