/** Everything that is worth knowing of an image's files, found by reading them. Runs in a worker thread. */
import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { allocationMap } from "#lib/disk/allocation-map.ts";
import { openImageFile } from "#lib/disk/files/image-file.ts";
import { fingerprintDisk } from "#lib/disk/fingerprint.ts";
import type { ImageFacts, OpenedImage } from "#lib/disk/format.ts";
import { openImage } from "#lib/disk/registry.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { AllocationMap, GuestFacts } from "#lib/domain/guest.ts";
import { AppError } from "#lib/errors.ts";
import { inspectGuest } from "#lib/guest/inspect.ts";

export interface AnalyseInput {
  /** Absolute. */
  readonly folder: string;
  /** All files of the version; one of them opens as the disk. */
  readonly fileNames: readonly string[];
  readonly said: DiskFormatId | null;
}

export interface Analysis {
  readonly facts: ImageFacts;
  readonly fileName: string;
  /** The named one first. */
  readonly files: readonly string[];
  /** Bytes of all files. */
  readonly storedSize: number;
  readonly guest: GuestFacts;
  readonly allocation: AllocationMap;
  /** Hex, in the order of `files`. */
  readonly sha256: readonly string[];
  readonly fingerprint: string;
}

export interface AnalyseProgress {
  readonly done: number;
  readonly total: number;
  readonly moved: number;
}

const SLICES = 256;
const CHUNK = 4 * 1024 * 1024;

/** Throws `image.*`. */
export async function analyseFiles(
  input: AnalyseInput,
  signal: AbortSignal,
  onProgress: (progress: AnalyseProgress) => void,
): Promise<Analysis> {
  const fileName = await findMain(input, signal);
  await using opened = await openOne(input, fileName, signal);
  const { facts, disk } = opened;
  const files = [fileName, ...facts.files.filter((name) => name !== fileName)];
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(input.folder, name))).size));
  const storedSize = sizes.reduce((sum, size) => sum + size, 0);
  const guest = await inspectGuest(disk, signal);
  const allocation = await allocationMap(disk, SLICES, signal);

  // Two passes: over the files as they are, and over the disk as the guest sees it.
  const total = storedSize + disk.size;
  let hashed = 0;
  const sha256: string[] = [];
  for (const name of files) {
    sha256.push(
      await hashFile(join(input.folder, name), signal, (bytes) => {
        hashed += bytes;
        onProgress({ done: hashed, total, moved: hashed });
      }),
    );
  }
  const fingerprint = await fingerprintDisk(disk, {
    signal,
    onProgress: ({ done, moved }) => onProgress({ done: hashed + done, total, moved: hashed + moved }),
  });
  return { facts, fileName, files, storedSize, guest, allocation, sha256, fingerprint };
}

async function openOne(input: AnalyseInput, fileName: string, signal: AbortSignal): Promise<OpenedImage> {
  const image = await openImageFile(join(input.folder, fileName), { name: fileName });
  try {
    const opened = await openImage(image, { ...(input.said === null ? {} : { from: input.said }), signal });
    return {
      facts: opened.facts,
      disk: opened.disk,
      async [Symbol.asyncDispose]() {
        await opened[Symbol.asyncDispose]();
        await image[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await image[Symbol.asyncDispose]();
    throw error;
  }
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
      await using opened = await openOne(input, name, signal);
      const named = opened.facts.files.filter((file) => file !== name).length;
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

async function hashFile(path: string, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<string> {
  const hash = createHash("sha256");
  await using file = await open(path, "r");
  // Two buffers: one is read while the other is hashed.
  let current = Buffer.allocUnsafe(CHUNK);
  let next = Buffer.allocUnsafe(CHUNK);
  let { bytesRead } = await file.read(current, 0, CHUNK, 0);
  let at = bytesRead;
  while (bytesRead > 0) {
    signal.throwIfAborted();
    const ahead = file.read(next, 0, CHUNK, at);
    ahead.catch(() => undefined);
    hash.update(current.subarray(0, bytesRead));
    onBytes(bytesRead);
    bytesRead = (await ahead).bytesRead;
    at += bytesRead;
    [current, next] = [next, current];
  }
  return hash.digest("hex");
}
