/** A machine in a package: its disks, each openable where it lies, and the hardware that was around them. */
import type { ContainerKind } from "#lib/domain/container.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import type { SpoolPlace } from "../files/spool.ts";
import type { OpenedImage } from "../format.ts";

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
  readonly algorithm: "sha1" | "sha256" | "sha512";
  /** Lower-case hex. */
  readonly digest: string;
}

export interface OpenedContainer extends AsyncDisposable {
  readonly kind: ContainerKind;
  /** Of the machine. */
  readonly machine: string | null;
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
