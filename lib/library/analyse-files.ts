/** Everything that is worth knowing of an image's files, found by reading them. Runs in a worker thread. */
import { join } from "node:path";
import { allocationMap } from "#lib/disk/allocation-map.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import type { ImageFacts } from "#lib/disk/format.ts";
import { saysNoImage } from "#lib/disk/content/refuse.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { AllocationMap, GuestFacts } from "#lib/domain/guest.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";
import { inspectGuest } from "#lib/guest/inspect.ts";
import { hashFile } from "./hash-file.ts";
import { openSubject, type Subject } from "./open-subject.ts";
import { openPlainFile } from "./plain-file.ts";
import { unpackFiles } from "./unpack-files.ts";

export interface AnalyseInput {
  /** Absolute. */
  readonly folder: string;
  /** All files of the version; one of them opens as the disk or as a package of disks. */
  readonly fileNames: readonly string[];
  /** Those that each open as a disk of their own, in the order of the machine; null: one of them leads to all. */
  readonly apart: readonly string[] | null;
  readonly said: SourceFormatId | null;
  /** Bytes that the library can take: packed files are unpacked first. */
  readonly free: number;
}

export interface AnalysedDisk {
  readonly facts: ImageFacts;
  readonly fileName: string;
  /** All files that it is made of, the named one first. */
  readonly files: readonly string[];
  /** Hex, in the order of `files`. */
  readonly sha256: readonly string[];
  /** Bytes of each file, in the order of `files`. */
  readonly fileSizes: readonly number[];
  /** What its package calls it; null: the file itself is the disk. */
  readonly entry: string | null;
  /** Bytes that it takes: of all files, or inside its package. */
  readonly storedSize: number;
  readonly guest: GuestFacts;
  readonly allocation: AllocationMap;
  readonly fingerprint: string;
}

export interface Analysis {
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
  await using stack = new AsyncDisposableStack();
  const subjects: Subject[] = [];
  for (const fileName of input.apart ?? [await findMain(input, signal)])
    subjects.push(stack.use(await openSubject(input.folder, fileName, input.said, signal)));
  // Only for the length of the bar: what is stored is what was hashed.
  let total = 0;
  for (const name of new Set(subjects.flatMap(({ files }) => files))) total += await sizeOf(join(input.folder, name));
  // Two passes: over the files as they are, and over each disk as its guest sees it.
  const disks = subjects.flatMap((subject) => subject.disks);
  const pass = new Pass(
    disks.reduce((sum, { disk }) => sum + disk.size, total),
    onProgress,
  );
  const found: AnalysedDisk[] = [];
  for (const subject of subjects) found.push(...(await analyseSubject(subject, input.folder, pass, signal)));
  return { disks: found, unpacked, hints: subjects[0]?.container?.hints ?? null };
}

async function sizeOf(path: string): Promise<number> {
  await using file = await openPlainFile(path);
  return (await file.stat()).size;
}

/** Progress over everything that is read. */
class Pass {
  readonly #total: number;
  readonly #onProgress: (progress: AnalyseProgress) => void;
  #passed = 0;
  #moved = 0;

  constructor(total: number, onProgress: (progress: AnalyseProgress) => void) {
    this.#total = total;
    this.#onProgress = onProgress;
  }

  /** Of one thing: where it is, and what was read of it so far. */
  at(done: number, moved: number): void {
    this.#onProgress({ done: this.#passed + done, total: this.#total, moved: this.#moved + moved });
  }

  end(size: number, moved: number): void {
    this.#passed += size;
    this.#moved += moved;
  }
}

async function analyseSubject(
  { files, container, disks }: Subject,
  folder: string,
  pass: Pass,
  signal: AbortSignal,
): Promise<AnalysedDisk[]> {
  const promised = container?.promised ?? [];
  const sha256: string[] = [];
  const fileSizes: number[] = [];
  for (const name of files) {
    const mine = promised.filter(({ file }) => file === name);
    let read = 0;
    const hashed = await hashFile(join(folder, name), mine, signal, (bytes) => {
      read += bytes;
      pass.at(read, read);
    });
    sha256.push(hashed.sha256);
    fileSizes.push(hashed.size);
    pass.end(read, read);
  }
  const found: AnalysedDisk[] = [];
  for (const { facts, disk, entry, storedSize } of disks) {
    const guest = await inspectGuest(disk, signal);
    const allocation = await allocationMap(disk, SLICES, signal);
    let read = 0;
    const fingerprint = await fingerprintDisk(disk, {
      signal,
      onProgress: ({ done, moved }) => {
        read = moved;
        pass.at(done, moved);
      },
    });
    pass.end(disk.size, read);
    const checked = promised.some((each) => each.entry === entry) ? { manifest: "the file is as it says" } : {};
    found.push({
      facts: { ...facts, details: { ...facts.details, ...checked } },
      fileName: files[0] ?? "",
      files,
      sha256,
      fileSizes,
      entry,
      storedSize: storedSize ?? fileSizes.reduce((sum, size) => sum + size, 0),
      guest,
      allocation,
      fingerprint,
    });
  }
  return found;
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
      const unknown = saysNoImage(error);
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
