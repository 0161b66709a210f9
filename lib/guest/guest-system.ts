/** Which operating system a file system holds. */
import type { GuestFacts } from "#lib/domain/guest.ts";
import { BtrfsReader } from "./readers/btrfs.ts";
import { ExtReader } from "./readers/ext.ts";
import type { FileReader } from "./readers/file-reader.ts";
import type { FileSystem } from "./file-system.ts";
import { NtfsReader } from "./readers/ntfs.ts";
import { parseOsRelease } from "./os-release.ts";
import type { Window } from "./window.ts";
import { windowsOn } from "./windows.ts";
import { XfsReader } from "./readers/xfs.ts";

export interface SystemOn {
  readonly os: GuestFacts["os"];
  /** What could not be read, in words that go on after the name of the place; null: all that was wanted. */
  readonly unread: string | null;
}

const NOTHING: SystemOn = { os: null, unread: null };

/** They may hold a system, and nothing here looks into them. */
const UNREAD: Readonly<Record<string, string>> = {
  zfs: "ZFS, which is not looked into",
  ufs: "UFS, which is not looked into",
  f2fs: "F2FS, which is not looked into",
  apfs: "APFS, which is not looked into",
  hfsplus: "HFS+, which is not looked into",
  refs: "ReFS, which is not looked into",
  "linux-raid": "a part of a Linux RAID, which is not looked into",
  luks: "encrypted with LUKS",
  bitlocker: "encrypted with BitLocker",
};

export async function systemOn(part: Window, { id }: FileSystem): Promise<SystemOn> {
  const unread = UNREAD[id];
  if (unread !== undefined) return { os: null, unread };
  if (id === "ntfs") {
    const volume = await NtfsReader.open(part);
    return volume !== null && (await volume.isReadable())
      ? { os: await windowsOn(volume), unread: null }
      : { os: null, unread: "NTFS that could not be read" };
  }
  if (id === "btrfs") return onBtrfs(await BtrfsReader.open(part));
  if (id === "xfs") return unixOn(await XfsReader.open(part), "XFS");
  if (id.startsWith("ext")) return unixOn(await ExtReader.open(part), "ext");
  return NOTHING;
}

/** One file system, several directories that may be the root of a system. */
async function onBtrfs(roots: readonly BtrfsReader[] | null): Promise<SystemOn> {
  if (roots === null || roots.length === 0) return { os: null, unread: "btrfs that could not be read" };
  for (const root of roots) {
    const found = await unixOn(root, "btrfs");
    if (found.os !== null) return found;
  }
  return NOTHING;
}

async function unixOn(reader: FileReader | null, name: string): Promise<SystemOn> {
  if (reader === null || !(await reader.exists("/"))) return { os: null, unread: `${name} that could not be read` };
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    const bytes = await reader.readFile(path);
    const os = bytes === null ? null : parseOsRelease(bytes.toString("utf8"));
    if (os !== null) return { os, unread: null };
  }
  // A root without os-release is Linux still.
  return (await reader.exists("/sbin/init"))
    ? { os: { id: "linux", name: "Linux", version: null, family: "linux" }, unread: null }
    : NOTHING;
}
