/** A machine in a package: its disks, each openable where it lies, and the hardware that was around them. */
import type { HolderKind } from "#lib/domain/container.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import type { SpoolPlace } from "../files/spool.ts";
import type { OpenedImage } from "../format.ts";
import type { DigestAlgorithm } from "./manifest/algorithms.ts";

export interface ContainedImage extends OpenedImage {
  /**
   * Compares the files that hold the disk with the package's manifest: what was read in order costs no second read.
   * Throws `image.manifest-mismatch`. Absent where nothing was promised or nobody asked.
   */
  readonly verify?: (signal?: AbortSignal) => Promise<void>;
}

export interface OpenContained {
  readonly signal?: AbortSignal;
  /** Listen to the reads, so that `verify` can tell whether they are what the manifest promises. */
  readonly check?: boolean;
  /** What the person says it is, where its content says nothing. */
  readonly from?: SourceFormatId;
  /** Where a file that is stored packed is kept meanwhile. Default: the system's folder for temporary files. */
  readonly spool?: SpoolPlace;
}

export interface ContainedDisk {
  /** What the container calls it: a file's name in OVF, a reference in XVA. One of a kind within the container. */
  readonly entry: string;
  /** For people, e.g. the name of the virtual disk. */
  readonly label: string;
  /** Bytes of the virtual disk as the description says; null when it does not. */
  readonly capacity: number | null;
  /** Bytes that it takes inside the container. */
  readonly storedSize: number;
  /** Throws `image.*`. The files that it reads belong to the container, which must outlive it. */
  open(options?: OpenContained): Promise<ContainedImage>;
}

/** Bytes of a file with the digest that a manifest promises for them. */
export interface PromisedDigest {
  /** What the manifest calls it. */
  readonly entry: string;
  /** File in the image's folder, and the part of it. */
  readonly file: string;
  readonly at: number;
  readonly length: number;
  readonly algorithm: DigestAlgorithm;
  /** Lower-case hex. */
  readonly digest: string;
}

/** What a person says of a package that holds more than one machine, or one in several configurations. */
export interface MachineChoice {
  /** Its name, or its place counted from 1; `#1` is never a name. */
  readonly machine?: string | null;
  readonly configuration?: string | null;
}

export interface OpenContainerOptions extends MachineChoice {
  /** Where files of a zip are kept unpacked meanwhile. Default: the system's folder for temporary files. */
  readonly spool?: SpoolPlace;
  /** List the disks of all machines in all configurations, for a caller that names the disk it wants. */
  readonly everything?: boolean;
}

export interface OpenedContainer extends AsyncDisposable {
  readonly kind: HolderKind;
  /** Of the machine; null when it has none, or several are there and nobody said which. */
  readonly machine: string | null;
  /** Names of the machines, when there are several and nobody said which: `disks` are those of all of them. */
  readonly undecided: readonly string[];
  /** The files of the disks lie in a folder by themselves, not in one file. */
  readonly inFolder: boolean;
  readonly hints: HardwareHints;
  /** At least one, in the order in which the machine has them. */
  readonly disks: readonly ContainedDisk[];
  /** Of files that have not been read yet; the description itself is checked when it is opened. */
  readonly promised: readonly PromisedDigest[];
  /** Files in the image's folder, the named one first. */
  readonly files: readonly string[];
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly notes: readonly string[];
}
