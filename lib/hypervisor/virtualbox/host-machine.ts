/** The machine that VirtualBox runs on, here or behind SSH: programs and files, nothing of VirtualBox. */
import type { ByteSink, ByteSource } from "#lib/disk/io.ts";

export type MachineOs = "linux" | "macos" | "windows";

export interface ProgramResult {
  /** Null: it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
}

export interface FileStat {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, as exact as the host tells. */
  readonly mtime: number;
  readonly isFile: boolean;
}

/** Paths are the machine's own, absolute. Errors are `io.*` and `host.unreachable`, naming the path. */
export interface HostFiles {
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

export interface HostMachine extends AsyncDisposable {
  /** For messages: `this machine`, `10.0.0.5`. */
  readonly name: string;
  readonly os: MachineOs;
  readonly files: HostFiles;
  /** Runs a program without a shell in between to read its arguments. Throws `host.timeout`, `host.unreachable`. */
  run(program: string, args: readonly string[], options: ProgramOptions): Promise<ProgramResult>;
}

/** Most that a program may print. */
export const MAX_OUTPUT = 64 * 1024 ** 2;
