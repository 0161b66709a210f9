/** What a package is written from, and how it went. */
import type { DiskBus, Firmware, NicModel } from "#lib/domain/hardware.ts";
import { nameFault } from "#lib/domain/plain-name.ts";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../block-source.ts";
import type { ByteSink } from "../io.ts";
import type { TransferProgress } from "../write-plan.ts";

export interface PackedMachine {
  readonly name: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly firmware: Firmware;
  /** Null: what any guest can boot from on the target. */
  readonly bus: DiskBus | null;
  /** Null: a machine without network. */
  readonly nic: NicModel | null;
  readonly guest: "linux" | "windows" | "other";
}

export interface PackageRequest {
  readonly machine: PackedMachine;
  /** In the order in which the machine has them. Whoever opened them closes them. */
  readonly disks: readonly BlockSource[];
  readonly sink: ByteSink;
  /** Of the kind of package; parsed by its schema. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** The last word before the file gets its name. */
  readonly beforeCommit?: (signal?: AbortSignal) => Promise<void>;
}

export interface PackageWritten {
  readonly fileLength: number;
  /** Bytes that went into the sink. */
  readonly moved: number;
  /** Of each disk: `sv1:…`. */
  readonly fingerprints: readonly string[];
}

/** Letters, digits and dashes: what every file system and every reader of archives takes. */
export function fileStem(name: string): string {
  const slug = name
    .normalize("NFKD")
    .replaceAll(/\p{M}+/gu, "")
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[-._]+|[-._]+$/g, "")
    .slice(0, 60);
  if (slug === "") return "machine";
  // CON and the like are devices on Windows, whatever ending follows.
  return nameFault(slug) === null ? slug : `machine-${slug}`;
}

/** Progress over several disks as one. */
export function overAll(
  disks: readonly BlockSource[],
  passes: number,
  onProgress: ((progress: TransferProgress) => void) | undefined,
): { at(pass: number, disk: number, done: number, moved: number): void } {
  const sizes = disks.map(({ size }) => size);
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  return {
    at(pass, disk, done, moved) {
      const before = sizes.slice(0, disk).reduce((sum, size) => sum + size, whole * pass);
      onProgress?.({ done: before + done, total: whole * passes, moved });
    },
  };
}

/** Throws `package.no-disks` (invalid), `package.too-many-disks` (unprocessable). */
export function requireDisks(disks: readonly BlockSource[], most: number, where: string): void {
  if (disks.length === 0) throw new AppError("invalid", "package.no-disks", "A package needs at least one disk.");
  if (disks.length <= most) return;
  throw new AppError("unprocessable", "package.too-many-disks", `${where} takes ${most} disks, not ${disks.length}.`, {
    hint: "Choose another bus, or make two packages.",
    details: { disks: disks.length, limit: most },
  });
}
