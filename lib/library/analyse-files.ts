/** Everything that is worth knowing of an image's files, found by reading them. Runs in a worker thread. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { allocationMap } from "#lib/disk/allocation-map.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import type { ImageFacts } from "#lib/disk/format.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { AllocationMap, GuestFacts } from "#lib/domain/guest.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";
import { inspectGuest } from "#lib/guest/inspect.ts";
import { hashFile } from "./hash-file.ts";
import { openSubject } from "./open-subject.ts";
import { unpackFiles } from "./unpack-files.ts";

export interface AnalyseInput {
  /** Absolute. */
  readonly folder: string;
  /** All files of the version; one of them opens as the disk or as a package of disks. */
  readonly fileNames: readonly string[];
  readonly said: DiskFormatId | null;
  /** Bytes that the library can take: packed files are unpacked first. */
  readonly free: number;
}

export interface AnalysedDisk {
  readonly facts: ImageFacts;
  /** What its package calls it; null: the file itself is the disk. */
  readonly entry: string | null;
  /** Bytes that it takes: of all files, or inside its package. */
  readonly storedSize: number;
  readonly guest: GuestFacts;
  readonly allocation: AllocationMap;
  readonly fingerprint: string;
}

export interface Analysis {
  readonly fileName: string;
  /** The named one first. */
  readonly files: readonly string[];
  /** Hex, in the order of `files`. */
  readonly sha256: readonly string[];
  /** At least one. */
  readonly disks: readonly AnalysedDisk[];
  /** Files that came packed, and are now what was in them. */
  readonly unpacked: readonly string[];
  /** As the package describes its machine; null: there is no package. */
  readonly hints: HardwareHints | null;
}

export interface AnalyseProgress {
  readonly done: number;
  readonly total: number;
  readonly moved: number;
}

const SLICES = 256;

/** Throws `image.*`; `image.manifest-mismatch` when a file of a package is not what its manifest says. */
export async function analyseFiles(
  given: AnalyseInput,
  signal: AbortSignal,
  onProgress: (progress: AnalyseProgress) => void,
): Promise<Analysis> {
  const { fileNames, unpacked } = await unpackFiles(given, signal, onProgress);
  const input = { ...given, fileNames };
  const fileName = await findMain(input, signal);
  await using subject = await openSubject(input.folder, fileName, input.said, signal);
  const { files, container } = subject;
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(input.folder, name))).size));
  const fileBytes = sizes.reduce((sum, size) => sum + size, 0);
  // Two passes: over the files as they are, and over each disk as its guest sees it.
  const total = subject.disks.reduce((sum, { disk }) => sum + disk.size, fileBytes);
  const promised = container?.promised ?? [];
  let passed = 0;
  let moved = 0;
  const sha256: string[] = [];
  for (const name of files) {
    const mine = promised.filter(({ file }) => file === name);
    sha256.push(
      await hashFile(join(input.folder, name), mine, signal, (bytes) => {
        passed += bytes;
        moved += bytes;
        onProgress({ done: passed, total, moved });
      }),
    );
  }
  const disks: AnalysedDisk[] = [];
  for (const { facts, disk, entry, storedSize } of subject.disks) {
    const guest = await inspectGuest(disk, signal);
    const allocation = await allocationMap(disk, SLICES, signal);
    let read = 0;
    const fingerprint = await fingerprintDisk(disk, {
      signal,
      onProgress: (progress) => {
        read = progress.moved;
        onProgress({ done: passed + progress.done, total, moved: moved + read });
      },
    });
    passed += disk.size;
    moved += read;
    const checked = promised.some((each) => each.entry === entry) ? { manifest: "the file is as it says" } : {};
    disks.push({
      facts: { ...facts, details: { ...facts.details, ...checked } },
      entry,
      storedSize: storedSize ?? fileBytes,
      guest,
      allocation,
      fingerprint,
    });
  }
  return { fileName, files, sha256, disks, unpacked, hints: container?.hints ?? null };
}

/** Of several files the one that opens and names the others: a descriptor knows its extents, they do not know it. */
async function findMain(input: AnalyseInput, signal: AbortSignal): Promise<string> {
  const [only] = input.fileNames;
  if (only === undefined) throw new AppError("unprocessable", "image.no-files", "The version holds no file.");
  if (input.fileNames.length === 1) return only;
  let best: { name: string; named: number } | null = null;
  let firstError: unknown = null;
  for (const name of input.fileNames) {
    try {
      await using subject = await openSubject(input.folder, name, input.said, signal);
      const named = subject.files.length - 1;
      if (best === null || named > best.named) best = { name, named };
    } catch (error) {
      signal.throwIfAborted();
      // An extent alone is no image, which says nothing about the set; a descriptor's own trouble does.
      const unknown = error instanceof AppError && error.code === "image.unknown-format";
      if (firstError === null || !unknown) firstError = error;
    }
  }
  if (best === null) throw firstError;
  if (best.named + 1 < input.fileNames.length) {
    if (firstError !== null && best.named === 0) throw firstError;
    throw new AppError(
      "unprocessable",
      "image.files-not-related",
      `${best.name} does not use all of the files that came with it.`,
      {
        hint: "Give the files of one disk together, and those of another disk apart.",
        details: { file: best.name },
      },
    );
  }
  return best.name;
}
