/** What libvirt can do with the volumes of a pool, by the pool's kind (the tables of its storage backends). */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";

export interface PoolKind {
  /** How libvirt passes the bytes of a volume on: as a file's, as a block device's, or not at all. */
  readonly bytes: "file" | "block" | null;
  /** Why it takes no new disks, in words after the pool's name; null: it does. */
  readonly whyNoNew: string | null;
  /** A new disk has its whole size from the start. */
  readonly thick: boolean;
}

const FILES: PoolKind = { bytes: "file", whyNoNew: null, thick: false };

const existing = (what: string): PoolKind => ({
  bytes: "block",
  whyNoNew: `its volumes are ${what}, which libvirt cannot make under a name of our own`,
  thick: true,
});

const unread = (what: string, tool: string): PoolKind => ({
  bytes: null,
  whyNoNew: `libvirt cannot send or fetch the bytes of ${what}; ${tool}`,
  thick: false,
});

const KINDS: Readonly<Record<string, PoolKind>> = {
  dir: FILES,
  fs: FILES,
  netfs: FILES,
  vstorage: FILES,
  // A volume with less than its size would be a snapshot that breaks when it is full.
  logical: { bytes: "block", whyNoNew: null, thick: true },
  zfs: { bytes: "block", whyNoNew: null, thick: false },
  disk: existing("partitions"),
  iscsi: existing("LUNs of its target"),
  scsi: existing("LUNs of its adapter"),
  mpath: existing("multipath devices"),
  rbd: unread("Ceph RBD images", "use rbd import or rbd export on a Ceph client"),
  gluster: unread("Gluster volumes", "mount the volume on the host and make a netfs pool of it"),
  "iscsi-direct": unread("LUNs that only QEMU reaches", "make a pool of the kind “iscsi” for the same target"),
};

export const poolKind = (type: string): PoolKind =>
  KINDS[type] ?? { bytes: null, whyNoNew: `Supravisor knows no pools of the kind “${type}”`, thick: false };

/** Formats that disks on a block device may have: the device has the disk's size, not that of a file which grows. */
export const BLOCK_FORMATS: readonly DiskFormatId[] = ["raw"];
