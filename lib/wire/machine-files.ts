/** Files of one machine, this one or one that is reached over the network. */
import type { ByteSink, ByteSource } from "#lib/disk/io.ts";

export interface FileStat {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, as exact as the machine tells. */
  readonly mtime: number;
  readonly isFile: boolean;
}

/** Paths are the machine's own, absolute. Errors are `io.*` and `host.unreachable`, naming the path. */
export interface MachineFiles {
  /** Null: nothing is there. */
  stat(path: string, signal?: AbortSignal): Promise<FileStat | null>;
  /** Names of the plain files in a folder, some thousands at most. */
  list(folder: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** A small text file. Throws `io.too-large`. */
  readText(path: string, maxBytes: number, signal?: AbortSignal): Promise<string>;
  /** `plain`: a link in the file's place is refused with `io.not-a-file`, wherever it leads. */
  open(path: string, options: { plain: boolean; signal?: AbortSignal | undefined }): Promise<ByteSource>;
  /** Under its own name from the first byte on; throws `io.exists`. Disposed without commit, the file stays. */
  create(path: string, signal?: AbortSignal): Promise<ByteSink>;
  /** Gone already is fine. */
  remove(path: string, signal?: AbortSignal): Promise<void>;
  /** Only when nothing is in it; anything else is left without a word. */
  removeEmptyFolder(path: string, signal?: AbortSignal): Promise<void>;
  /** Bytes of the file system that a folder lies on; null where the host does not tell. */
  space(folder: string, signal?: AbortSignal): Promise<{ capacity: number; free: number } | null>;
}
