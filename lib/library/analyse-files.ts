/** Everything that is worth knowing of an image's files, found by reading them. Runs in a worker thread. */
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { allocationMap } from "#lib/disk/allocation-map.ts";
import { mayBeDisk } from "#lib/disk/containers/archive/contents.ts";
import type { MachineChoice } from "#lib/disk/containers/container.ts";
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
  /** Of a package with several machines or configurations. */
  readonly choice?: MachineChoice;
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
  const found = input.apart === null ? await findMain(input, signal) : null;
  await using stack = new AsyncDisposableStack();
  const subjects: Subject[] = [];
  for (const fileName of found === null ? (input.apart ?? []) : [found.main])
    subjects.push(stack.use(await openSubject(input.folder, fileName, input.said, signal, input.choice)));
  // Only for the length of the bar: what is stored is what was hashed.
  let total = 0;
  for (const name of new Set(subjects.flatMap(({ files }) => files))) total += await sizeOf(join(input.folder, name));
  // Two passes: over the files as they are, and over each disk as its guest sees it.
  const disks = subjects.flatMap((subject) => subject.disks);
  const pass = new Pass(
    disks.reduce((sum, { disk }) => sum + disk.size, total),
    onProgress,
  );
  const analysed: AnalysedDisk[] = [];
  for (const subject of subjects) analysed.push(...(await analyseSubject(subject, input.folder, pass, signal)));
  for (const name of found?.unused ?? []) await unlink(join(input.folder, name));
  return { disks: withNote(analysed, found?.unused ?? []), unpacked, hints: subjects[0]?.container?.hints ?? null };
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
    const guest = await inspectGuest(disk, { image: facts, signal });
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

/** What came with the disks and is no part of them is said with the first. */
function withNote(disks: readonly AnalysedDisk[], unused: readonly string[]): readonly AnalysedDisk[] {
  if (unused.length === 0) return disks;
  const shown = unused.slice(0, MOST_TOLD).join(", ");
  const note = `Files that came with the image and belong to no disk were left out: ${shown}${unused.length > MOST_TOLD ? " and others" : ""}.`;
  return disks.map((disk, i) =>
    i > 0 ? disk : { ...disk, facts: { ...disk.facts, notes: [...disk.facts.notes, note] } },
  );
}

const MOST_TOLD = 16;

interface Main {
  readonly main: string;
  /** Files that neither belong to it nor are disks of their own. */
  readonly unused: readonly string[];
}

/** Of several files the one that opens and names the others: a descriptor knows its extents, they do not know it. */
async function findMain(input: AnalyseInput, signal: AbortSignal): Promise<Main> {
  const [only] = input.fileNames;
  if (only === undefined) throw new AppError("unprocessable", "image.no-files", "The version holds no file.");
  if (input.fileNames.length === 1) return { main: only, unused: [] };
  let best: { name: string; files: readonly string[] } | null = null;
  let firstError: unknown = null;
  const opens = new Set<string>();
  for (const name of input.fileNames) {
    try {
      await using subject = await openSubject(input.folder, name, input.said, signal, input.choice);
      opens.add(name);
      if (best === null || subject.files.length > best.files.length) best = { name, files: subject.files };
    } catch (error) {
      signal.throwIfAborted();
      // An extent alone is no image, which says nothing about the set; a descriptor's own trouble does.
      const unknown = isUnknown(error);
      if (firstError === null || (!unknown && isUnknown(firstError))) firstError = error;
    }
  }
  if (best === null) throw firstError;
  const { name, files } = best;
  const others = input.fileNames.filter((each) => !files.includes(each));
  if (others.some((each) => opens.has(each)) || others.some(mayBeDisk)) {
    if (firstError !== null && !isUnknown(firstError)) throw firstError;
    throw new AppError(
      "unprocessable",
      "image.files-not-related",
      `${name} does not use all of the files that came with it.`,
      {
        hint: "Give the files of one disk together, and those of another disk apart.",
        details: { file: name, others: others.slice(0, MOST_TOLD) },
      },
    );
  }
  return { main: name, unused: others };
}

const isUnknown = (error: unknown): boolean =>
  saysNoImage(error) || (error instanceof AppError && error.code === "image.no-disks");
