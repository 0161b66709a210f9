import type { ContainerKind } from "#lib/domain/container.ts";
import type { DiskFormatId, SourceFormatId } from "#lib/domain/disk-format.ts";
import type { ImageFacts } from "../../format.ts";
import type { Packing } from "../../wrappers/packing.ts";
import type { Scratch } from "../scratch.ts";

/** A kind of image that we read: a line of the matrix. */
export interface ReadableRow {
  readonly name: string;
  /** What opening finds. */
  readonly format: SourceFormatId;
  readonly variant: ImageFacts["variant"];
  /** Around it, if anything. */
  readonly container?: ContainerKind;
  readonly packing?: Packing;
  /** Makes it from `disk.raw` (and `base.raw`) in the folder, and answers the name of the file to open. */
  readonly make: (folder: Scratch, disk: Buffer) => Promise<string> | string;
  /** It needs files beside it, and so cannot come through a pipe. */
  readonly beside?: boolean;
  readonly acceptDirty?: boolean;
  /** The format rounds the disk up: zeros follow it. */
  readonly rounded?: boolean;
  /** Read from a pipe into every kind that we write; the others only into those which take every pipe. */
  readonly piped?: boolean;
}

/** A kind of image that we write: a column of it. */
export interface WritableRow {
  readonly name: string;
  readonly to: DiskFormatId | "ova" | "xva";
  readonly options: Readonly<Record<string, unknown>>;
  readonly compress?: "zst";
  /** A second file lies beside it. */
  readonly pair?: boolean;
  /** Only a file that can be written out of order takes it. */
  readonly seeks?: boolean;
  /** Written from every pipe; the others only from those which are read into everything. */
  readonly piped?: boolean;
  /** The format rounds the disk up to this many bytes. */
  readonly unit?: number;
  /** Who reads it besides us. Default: qemu-img. */
  readonly reader?: "qemu-img" | "libvhdi" | "tar";
  /** qemu-img has a check for it. */
  readonly check?: boolean;
}
