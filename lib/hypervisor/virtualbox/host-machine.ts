/** The machine that VirtualBox runs on, here or behind SSH: programs and files, nothing of VirtualBox. */
import type { MachineFiles } from "#lib/wire/machine-files.ts";

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
  /** More than this ends it with `host.protocol`. */
  readonly maxBytes: number;
}

export interface HostMachine extends AsyncDisposable {
  /** For messages: `this machine`, `10.0.0.5`. */
  readonly name: string;
  readonly os: MachineOs;
  readonly files: MachineFiles;
  /** The VBoxManage that whoever runs this machine named, and no other is to be run; null: the usual places. */
  readonly program: string | null;
  /** Where its environment says that VBoxManage lies, when it lies in none of the usual places; null: nowhere. */
  search(signal?: AbortSignal): Promise<string | null>;
  /** Runs a program without a shell in between to read its arguments. Throws `host.timeout`, `host.unreachable`. */
  run(program: string, args: readonly string[], options: ProgramOptions): Promise<ProgramResult>;
}

/** Bytes of an answer that lists every VM or every medium with all that is known of it; others are far shorter. */
export const MAX_OUTPUT = 64 * 1024 ** 2;
