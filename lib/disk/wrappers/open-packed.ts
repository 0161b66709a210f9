/** Opens the disk inside a packed file: as it passes by where its format allows, kept on disk where not. */
import { AppError } from "#lib/errors.ts";
import { type ForwardImage, openForwardBytes, type OpenForwardOptions } from "../forward/open-forward.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { ImageFile } from "../io.ts";
import { isZipPackage } from "../containers/detect.ts";
import { streamOf } from "../forward/stream-of.ts";
import { namedRaw } from "../open-named.ts";
import { openDisk } from "../open-disk.ts";
import { bytesOf } from "./bytes-of.ts";
import { innerName, Meter, MOST_LAYERS, type Packing, PACKING_HEAD, packingOf, type StreamPacking } from "./packing.ts";
import { unpack } from "./unpack.ts";
import { chooseEntry, unzip, zipEntries } from "./zip.ts";

export interface UnpackedFile {
  /** What the file inside is called. */
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Its length, when the package tells it. */
  readonly size: number | null;
  /** It is one of several, so that the disk that was said is found. */
  readonly chosen?: boolean;
  /** Packed bytes that were read so far. */
  taken(): number;
}

export interface UnpackOptions {
  /** Of a zip: the entry's name, or its place counted from 1. Needed when it holds several files. */
  readonly disk?: number | string;
  readonly signal?: AbortSignal;
}

/** The file inside, through at most two packings. Throws `image.*` when it is read. */
export async function unpackFile(
  image: ImageFile,
  packing: Packing,
  options: UnpackOptions = {},
): Promise<UnpackedFile> {
  const { signal } = options;
  const meter = new Meter(image.name);
  if (packing !== "zip") {
    const input = bytesOf(image, 0, image.bytes.size, signal);
    return unpackBytes(image.name, packing, input, meter, signal);
  }
  const entries = await zipEntries(image, signal);
  // A number or name that is said of the only file is said of a disk inside it.
  const entry = chooseEntry(image.name, entries, entries.length === 1 ? undefined : options.disk);
  const name = entry.name.slice(entry.name.lastIndexOf("/") + 1);
  return deeper(
    {
      name,
      bytes: unzip(image, entry, meter, signal),
      size: entry.size,
      chosen: entries.length > 1,
      taken: () => meter.taken,
    },
    1,
    signal,
  );
}

/** The same for packed bytes that pass by. Zip is not among them: its directory stands at its end. */
export async function unpackBytes(
  name: string,
  packing: StreamPacking,
  input: AsyncIterable<Uint8Array>,
  meter: Meter = new Meter(name),
  signal?: AbortSignal,
): Promise<UnpackedFile> {
  const bytes = unpack(packing, input, meter, signal);
  return deeper({ name: innerName(name, packing), bytes, size: null, taken: () => meter.taken }, 1, signal);
}

async function deeper(file: UnpackedFile, layer: number, signal: AbortSignal | undefined): Promise<UnpackedFile> {
  const { head, all, close } = await peek(file.bytes, PACKING_HEAD);
  const packing = packingOf(head);
  if (packing === null) return { ...file, bytes: all };
  if (packing === "zip" || layer === MOST_LAYERS) {
    await close();
    throw new AppError(
      "unprocessable",
      "image.packed-too-deep",
      `${file.name} is packed once more inside (${packing}).`,
      {
        hint: "Unpack it, and give what is inside.",
        details: { file: file.name, offset: 0 },
      },
    );
  }
  const meter = new Meter(file.name);
  const bytes = unpack(packing, all, meter, signal);
  return deeper(
    { name: innerName(file.name, packing), bytes, size: null, chosen: file.chosen ?? false, taken: () => file.taken() },
    layer + 1,
    signal,
  );
}

/** The first `length` bytes, or all of fewer, and everything from the first byte on. */
export async function peek(
  input: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ head: Buffer; all: AsyncIterable<Uint8Array>; close: () => Promise<void> }> {
  const iterator = input[Symbol.asyncIterator]();
  const parts: Uint8Array[] = [];
  for (let known = 0; known < length; ) {
    const next = await iterator.next();
    if (next.done === true) break;
    parts.push(Uint8Array.from(next.value));
    known += next.value.length;
  }
  const head = Buffer.concat(parts);
  async function* all(): AsyncIterable<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  const close = async (): Promise<void> => {
    await iterator.return?.();
  };
  return { head, all: all(), close };
}

export interface OpenPackedOptions extends Omit<OpenForwardOptions, "name" | "size">, UnpackOptions {
  readonly from?: SourceFormatId;
}

/** `image` stays the caller's, and must outlive the result. Throws `image.*`, `io.*`. */
export async function openPacked(
  image: ImageFile,
  packing: Packing,
  options: OpenPackedOptions,
): Promise<ForwardImage> {
  const { from, disk, ...more } = options;
  if (packing === "zip" && (await isZipPackage(image, options.disk, options.signal))) {
    const opened = await openDisk(image, options);
    options.onSpool?.(`the files of ${image.name} belong together`);
    return {
      ...streamOf(opened.disk),
      facts: opened.facts,
      image: opened,
      spooled: "the files in the package belong together",
    };
  }
  const file = await unpackFile(image, packing, options);
  return openForwardBytes(from ?? null, file.bytes, {
    ...more,
    ...(disk === undefined || file.chosen === true ? {} : { disk }),
    name: file.name,
    rawIfUnknown: options.rawIfUnknown === true || (packing === "zip" && namedRaw(file.name)),
    ...(file.size === null ? {} : { size: file.size }),
  });
}
