/** Packed files of a version become what is in them: the library's disks are at random access. */
import { open, unlink } from "node:fs/promises";
import { extname, join } from "node:path";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import { isDescription, mayBeDisk } from "#lib/disk/containers/archive/contents.ts";
import type { ImageFile } from "#lib/disk/io.ts";
import { unpackFile } from "#lib/disk/wrappers/open-packed.ts";
import { namedPacked, type Packing, packingOfFile } from "#lib/disk/wrappers/packing.ts";
import { writeUnpacked } from "#lib/disk/wrappers/write-unpacked.ts";
import { zipEntries } from "#lib/disk/wrappers/zip.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import { foldedName } from "#lib/domain/plain-name.ts";
import { AppError } from "#lib/errors.ts";
import { namesCollide, safeFileName, unpackedMark } from "./file-names.ts";
import { OWN_FILE } from "./own-modes.ts";
import { plainFile } from "./plain-file.ts";
import { requireSpace } from "./space.ts";

export interface UnpackInput {
  /** Absolute. */
  readonly folder: string;
  readonly fileNames: readonly string[];
  readonly said: SourceFormatId | null;
  /** Bytes that the library can take. */
  readonly free: number;
}

export interface UnpackedVersion {
  readonly fileNames: readonly string[];
  /** Files that were packed, and are gone. */
  readonly unpacked: readonly string[];
}

/** Parts of a disk of several files. */
const MOST_ENTRIES = 2048;

type OnProgress = (progress: { done: number; total: number; moved: number }) => void;

/**
 * An attempt that was broken off can be repeated: a packed file goes only when all that is in it is there.
 * Throws `image.*` for damaged packages, `library.full`, `io.*`.
 */
export async function unpackFiles(
  input: UnpackInput,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<UnpackedVersion> {
  const names = new Set(input.fileNames);
  const unpacked: string[] = [];
  let { free } = input;
  for (const fileName of input.fileNames) {
    const packed = join(input.folder, fileName);
    await using image = await openImageFile(packed, { name: fileName, guard: plainFile });
    const packing = await packingOf(image, input.said, signal);
    if (packing === null) continue;
    for (const disk of await entriesOf(image, packing, signal)) {
      const file = await unpackFile(image, packing, { signal, ...(disk === null ? {} : { disk }) });
      const name = safeFileName(file.name);
      if (foldedName(name) === foldedName(fileName)) throw sameName(name);
      // Another file of the version is not written over by what is in this one; what an earlier attempt unpacked is.
      const other = [...names].find((each) => each !== name && foldedName(each) === foldedName(name));
      if (other !== undefined) throw namesCollide(other, name);
      await using sink = await createFileSink(join(input.folder, name), { overwrite: true, mode: OWN_FILE });
      let moved = 0;
      await writeUnpacked(
        file,
        sink,
        (written) => {
          requireSpace(fileName, written, free);
          moved = written;
          onProgress({ done: Math.min(file.taken(), image.bytes.size), total: image.bytes.size, moved });
        },
        signal,
      );
      free -= moved;
      names.add(name);
    }
    // Whoever brings the file in once more finds that it was here.
    await (await open(join(input.folder, unpackedMark(fileName)), "w", OWN_FILE)).close();
    await unlink(packed);
    names.delete(fileName);
    unpacked.push(fileName);
  }
  return { fileNames: [...names].sort(), unpacked };
}

/** Whoever said raw means the file's bytes, unless its name says that they are packed. */
async function packingOf(image: ImageFile, said: SourceFormatId | null, signal: AbortSignal): Promise<Packing | null> {
  const packing = await packingOfFile(image.bytes, signal);
  if (packing === null || namedPacked(image.name, packing)) return packing;
  return said === "raw" || /^\.(raw|img|dd)$/i.test(extname(image.name)) ? null : packing;
}

/** Entries of a zip: all parts of a disk may be in it. Null: whatever is inside. */
async function entriesOf(image: ImageFile, packing: Packing, signal: AbortSignal): Promise<readonly (string | null)[]> {
  if (packing !== "zip") return [null];
  const entries = await zipEntries(image, signal);
  const needed = entries.filter(({ name }) => mayBeDisk(name) || isDescription(name));
  // Without a disk by name, all of them are looked at.
  const taken = needed.length > 0 ? needed : entries;
  const plain = taken.map(({ name }) => foldedName(name.slice(name.lastIndexOf("/") + 1)));
  if (taken.length === 0 || taken.length > MOST_ENTRIES || new Set(plain).size < plain.length) {
    throw new AppError(
      "unprocessable",
      "image.files-not-related",
      `${image.name} does not hold the files of one disk.`,
      {
        hint: "Pack the files of one disk together, and nothing else.",
        details: { file: image.name, files: taken.length },
      },
    );
  }
  return taken.map(({ name }) => name);
}

function sameName(name: string): AppError {
  return new AppError("unprocessable", "image.files-not-related", `${name} holds a file of its own name.`, {
    hint: "Unpack it, and give what is inside.",
    details: { file: name },
  });
}
