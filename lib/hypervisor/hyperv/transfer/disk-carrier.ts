import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { CreatedDisk, HostDisk, Intake, ResourceRef } from "../../adapter.ts";

export interface DiskToRead {
  /** Of the file that the machine has, or that a checkpoint froze. */
  readonly path: string;
  readonly format: DiskFormatId;
  /** Path that the names of the two small files of a transfer begin with, where one needs them. */
  readonly keys: string;
}

/** How the bytes of disks go to a Hyper-V host and come from it. Paths are the host's own. */
export interface DiskCarrier extends AsyncDisposable {
  /** Chains of checkpoints are read where they lie, and nothing is made for it. Else the host merges them first. */
  readonly inPlace: boolean;
  readonly intake: Intake;
  exists(path: string, signal?: AbortSignal): Promise<boolean>;
  /** The file is not there yet; its folder is made. Throws `pool.full`, `io.*`, `host.*`. */
  create(resource: ResourceRef, signal?: AbortSignal): Promise<CreatedDisk>;
  /** A file that stands alone, made by `create`. */
  openAlone(disk: DiskToRead, signal?: AbortSignal): Promise<HostDisk>;
  /** A machine's disk. `check` has the last word: it throws when what was read is not of one moment. */
  openWatched(disk: DiskToRead, check: () => Promise<void>, signal?: AbortSignal): Promise<HostDisk>;
  /** The file, and what an earlier transfer of it may have left. Gone already is fine. Throws `host.refused` when it is held. */
  removeAll(path: string, signal?: AbortSignal): Promise<void>;
}
