/** An image and the files it names, or the machine in a folder, from a folder of this machine into the library. Runs in a worker thread. */
import { basename, join, posix } from "node:path";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { openGiven } from "#lib/disk/files/open-given.ts";
import { cloneRange } from "#lib/disk/files/native.ts";
import type { MachineChoice } from "#lib/disk/containers/container.ts";
import type { ByteSource, ImageFile } from "#lib/disk/io.ts";
import { dataParts } from "#lib/disk/zeros.ts";
import { mainFileOf } from "#lib/disk/files/bundle.ts";
import { saysNoImage } from "#lib/disk/content/refuse.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { requireDistinct, safeFileName } from "../file-names.ts";
import { openSubjectOf } from "../open-subject.ts";
import { OWN_FILE } from "../own-modes.ts";
import { requireSpace } from "../space.ts";
import { formatOfFolder, machineFiles } from "./machine-files.ts";
import { importGuard, type ImportGuard, type ImportPlace, inWords } from "./import-guard.ts";

export interface CopyImageInput {
  /** Absolute path of the file that opens, or of a machine's folder. Whether it may be read is decided here, with the file open. */
  readonly source: string;
  readonly from: ImportPlace;
  /** Absolute; empty. */
  readonly folder: string;
  readonly said: SourceFormatId | null;
  /** Of a package with several machines or configurations. */
  readonly choice?: MachineChoice;
  /** Bytes that the library can take. */
  readonly free: number;
}

export interface CopiedFiles {
  /** The main file first. */
  readonly fileNames: readonly string[];
  /** The file system shares the blocks: no byte was moved. */
  readonly shared: boolean;
}

type OnProgress = (progress: { done: number; total: number; moved: number }) => void;

const CHUNK = 4 * 1024 * 1024;
const GAP = 64 * 1024;

/** Throws `import.*`, `image.path-escapes` for a file that names others outside its folder, `library.full`, `io.*`. */
export async function copyImage(
  asked: CopyImageInput,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<CopiedFiles> {
  const input = { ...asked, source: await mainFileOf(asked.source) };
  const guard = await importGuard(input.from);
  const wanted = await filesOf(input, guard, signal);
  await using main = await openGuarded(input.source, guard);
  const files: { readonly bytes: ByteSource }[] = [];
  for (const name of wanted.names) files.push(await openWanted(main, wanted, name));
  // In the library they lie side by side: what describes a machine finds its disks by the last part of their paths.
  const names = wanted.names.map((name) => safeFileName(posix.basename(name)));
  requireDistinct(names);
  const total = files.reduce((sum, file) => sum + file.bytes.size, 0);

  let shared = true;
  let done = 0;
  let moved = 0;
  for (const [index, file] of files.entries()) {
    const target = join(input.folder, names[index] ?? "");
    if (await shareBlocks(file.bytes, target, signal)) {
      done += file.bytes.size;
      onProgress({ done, total, moved });
      continue;
    }
    if (shared) requireSpace(names[0] ?? "The image", await dataBytes(files.slice(index), signal), input.free);
    shared = false;
    await copyBytes(file.bytes, target, signal, (passed, written) => {
      done += passed;
      moved += written;
      onProgress({ done, total, moved });
    });
  }
  return { fileNames: names, shared };
}

async function openGuarded(path: string, guard: ImportGuard): Promise<ImageFile & AsyncDisposable> {
  return openGiven(path, { guard: guard.file, folderGuard: guard.folder }).catch(async (error: unknown) => {
    throw await inWords(error, path, guard);
  });
}

interface Wanted {
  /** The main file first. */
  readonly names: readonly string[];
  /** They are paths below the machine's folder, not names beside the image. */
  readonly below: boolean;
}

async function openWanted(main: ImageFile, { names, below }: Wanted, name: string): Promise<{ bytes: ByteSource }> {
  if (!below) return name === names[0] ? main : main.sibling(name);
  const bytes = (await main.tree?.files.open(name)) ?? null;
  if (bytes !== null) return { bytes };
  throw new AppError(
    "unprocessable",
    "image.sibling-missing",
    `${main.name} needs ${name}, which is not there any more.`,
    {
      hint: "Import it again once nobody changes the folder.",
    },
  );
}

/** What the image says belongs to it. A file of unknown format has nothing beside it; analysis tells what it is. */
async function filesOf(input: CopyImageInput, guard: ImportGuard, signal: AbortSignal): Promise<Wanted> {
  await using first = await openGuarded(input.source, guard);
  const { tree } = first;
  if (tree !== undefined && input.said === null)
    return { names: await machineFiles(first, tree, input.choice ?? {}, signal), below: true };
  if (tree?.descriptor === null) throw formatOfFolder(input.source);
  const own = basename(input.source);
  return { names: [own, ...(await siblingNames(first, own, input, signal))], below: false };
}

async function siblingNames(
  first: ImageFile,
  own: string,
  input: CopyImageInput,
  signal: AbortSignal,
): Promise<string[]> {
  try {
    await using subject = await openSubjectOf(
      { image: first, fileName: own, said: input.said, spoolIn: input.folder, choice: input.choice ?? {} },
      signal,
    );
    return subject.files.filter((name) => name !== own);
  } catch (error) {
    if (saysNoImage(error)) return [];
    throw error;
  }
}

/** A copy on write of the open file, where the file system can. */
async function shareBlocks(source: ByteSource, target: string, signal: AbortSignal): Promise<boolean> {
  if (source.hold === undefined) return false;
  await using sink = await createFileSink(target, { mode: OWN_FILE });
  const from = source.hold();
  const to = sink.hold?.();
  try {
    if (to === undefined || !(await cloneRange(from.fd, 0, source.size, to.fd, 0))) return false;
  } finally {
    from.release();
    to?.release();
  }
  await sink.commit(source.size, signal);
  return true;
}

async function* ranges(source: ByteSource, signal: AbortSignal): AsyncIterable<{ offset: number; length: number }> {
  if (source.allocated === undefined) yield { offset: 0, length: source.size };
  else yield* source.allocated(signal);
}

async function dataBytes(files: readonly { readonly bytes: ByteSource }[], signal: AbortSignal): Promise<number> {
  let sum = 0;
  for (const file of files) for await (const range of ranges(file.bytes, signal)) sum += range.length;
  return sum;
}

/** Holes stay holes and zeros become some: the copy takes no more room than the data. */
async function copyBytes(
  source: ByteSource,
  target: string,
  signal: AbortSignal,
  onBytes: (passed: number, written: number) => void,
): Promise<void> {
  await using sink = await createFileSink(target, { mode: OWN_FILE });
  const buffer = Buffer.allocUnsafe(CHUNK);
  let at = 0;
  for await (const range of ranges(source, signal)) {
    const end = range.offset + range.length;
    let skipped = range.offset - at;
    for (at = range.offset; at < end; ) {
      const chunk = buffer.subarray(0, Math.min(CHUNK, end - at));
      await source.read(at, chunk, signal);
      let written = 0;
      for (const [from, to] of dataParts(chunk, at, GAP)) {
        await sink.write(at + from, chunk.subarray(from, to), signal);
        written += to - from;
      }
      at += chunk.length;
      onBytes(chunk.length + skipped, written);
      skipped = 0;
    }
  }
  onBytes(source.size - at, 0);
  await sink.commit(source.size, signal);
}
