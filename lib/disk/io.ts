/** Bytes of a file, wherever it lies. The lowest layer: nothing here knows what a disk is. */
import type { Preallocation } from "./preallocation.ts";

/** An open file of this process, lent to its other threads: it stays open until it is released. */
export interface HeldFile {
  readonly fd: number;
  /** Name for messages. */
  readonly name: string;
  release(): void;
}

/** A random-access file. Offsets and sizes are bytes, safe integers. */
export interface ByteSource extends AsyncDisposable {
  /** Length of the file in bytes. */
  readonly size: number;
  /** Fills `into` from `offset`, or throws (`io.short-read` past the end, `io.failed`). Concurrent reads are allowed. */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Allocated ranges of the file as the file system or peer tells them, sorted and disjoint.
   * Absent: unknown, treat all as data. Ranges not listed read as zeros.
   */
  allocated?(signal?: AbortSignal): AsyncIterable<{ offset: number; length: number }>;
  /** Path on this machine, when it is a plain file here. */
  readonly path?: string;
  /** Present when the bytes are those of an open file or device of this machine. */
  hold?(): HeldFile;
}

/**
 * A target being written. Dispose without commit = discard: nothing is left under the final name.
 * `write` awaited is the back-pressure. A sink that is not seekable takes offsets that never go back;
 * a gap between two writes, and between the last write and the committed length, reads as zeros.
 */
export interface ByteSink extends AsyncDisposable {
  readonly seekable: boolean;
  write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Sets space aside; the bytes are zeros until they are written. Absent: this target cannot. */
  allocate?(wanted: Preallocation, signal?: AbortSignal): Promise<void>;
  /** Present when what is written goes into an open file of this machine. */
  hold?(): HeldFile;
  /** Makes the file real with exactly `length` bytes. */
  commit(length: number, signal?: AbortSignal): Promise<void>;
}

/** The plain files below a folder. */
export interface FileTree extends AsyncDisposable {
  /** Paths from the folder on, with slashes, sorted. */
  readonly names: readonly string[];
  /** Opened once; it belongs to the tree. Null: not one of `names`, or no plain file there any more. */
  open(name: string): Promise<ByteSource | null>;
}

/** A machine's folder. */
export interface MachineTree {
  readonly files: FileTree;
  /** Leads to it from the folder in which the file or folder lies that was named. */
  readonly root: string;
  /** Which of its files was named; null: the folder itself, and the image has no bytes. */
  readonly descriptor: string | null;
}

/** One file that somebody gave us, plus the only way to reach the files beside it. */
export interface ImageFile {
  /** Name for messages, e.g. `web01.vmdk`. */
  readonly name: string;
  readonly bytes: ByteSource;
  /**
   * Opens a file in the image's own folder. Throws `image.path-escapes` for anything else: absolute
   * paths, `..`, separators that leave the folder, links that lead out. `image.sibling-missing` if it is not there.
   */
  sibling(name: string): Promise<ImageFile>;
  /**
   * Names of the plain files in the image's own folder, sorted, itself among them; at most some thousands of them.
   * Absent: the place cannot list them. For parents that are known by their identity and not by a name.
   */
  siblings?(): Promise<readonly string[]>;
  /**
   * Its folder on the machine that it still lies on: the paths that images name are paths there, and one that leads
   * elsewhere means another file, whatever lies beside this one. Absent: it was brought here from wherever.
   */
  readonly home?: string;
  /**
   * A file of that machine elsewhere than in `home`. Which ones may be read, the machine decides; it throws for the
   * others. Absent: such paths are not followed.
   */
  atPath?(path: string): Promise<ImageFile>;
  /** Present: a machine's folder, or the file in it that describes the machine. */
  readonly tree?: MachineTree;
  /** A person has said that an image which was not closed cleanly may be read as it is. */
  readonly acceptDirty?: boolean;
}
