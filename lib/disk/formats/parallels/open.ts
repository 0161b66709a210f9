/** Opens a Parallels disk: one expanding image, or the descriptor with all its storages and snapshots. */
import { ConcatDisk } from "../../concat-disk.ts";
import { readStruct } from "../../fields.ts";
import { FlatDisk } from "../../flat-disk.ts";
import type { OpenContext, OpenedImage } from "../../format.ts";
import { ImageChain } from "../../image-chain.ts";
import { insane, refused } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { firstBytes, type Layer } from "../../layer.ts";
import { LayeredDisk } from "../../layered-disk.ts";
import {
  DESCRIPTOR_NAME,
  looksLikeDescriptor,
  MAX_DESCRIPTOR_BYTES,
  parseDescriptor,
  type Storage,
} from "./descriptor.ts";
import { openExpanding } from "./expanding.ts";

const SECTOR = 512;

/** Throws AppError `image.*`. Once open, the image owns `image.bytes` and every file that it opened. */
export async function openParallels(
  image: ImageFile,
  signal: AbortSignal | undefined,
  { said }: OpenContext,
): Promise<OpenedImage> {
  const head = await readStruct(image, 0, Math.min(image.bytes.size, 1024), "le", "the header", signal);
  if (looksLikeDescriptor(head.raw)) return openDescribed(image, signal);
  if (!said) await refuseOneOfSeveral(image, signal);
  const { disk, variant, blockBytes, notes } = await openExpanding(image, signal);
  return {
    facts: {
      format: "parallels",
      variant,
      virtualSize: disk.size,
      files: [image.name],
      details: { blockSize: blockBytes },
      notes,
    },
    disk,
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

/** `disk.hdd.0.{GUID}.hds`, as Parallels calls the images of a disk. */
const OWN_NAME = /\.\d+\.\{[0-9a-f-]{36}\}\.hds$/i;

/** A snapshot's image does not tell that it is one: only the descriptor knows. Throws `image.part`. */
async function refuseOneOfSeveral(image: ImageFile, signal: AbortSignal | undefined): Promise<void> {
  const hint = `Open ${DESCRIPTOR_NAME} with all its files beside it, or the folder (.hdd) that they lie in.`;
  const there = (await image.siblings?.()) ?? [];
  if (there.includes(DESCRIPTOR_NAME)) {
    const file = await image.sibling(DESCRIPTOR_NAME);
    try {
      const { storages } = await readDescriptor(file, signal);
      const [only, ...more] = storages.flatMap(({ images }) => images);
      const named = [only, ...more].some((each) => lastPart(each?.file ?? "") === image.name);
      if (!named || more.length === 0) return;
    } finally {
      await file.bytes[Symbol.asyncDispose]();
    }
    throw refused(image.name, 0, "image.part", "is one of several images that a Parallels disk is made of", hint);
  }
  if (!OWN_NAME.test(image.name)) return;
  throw refused(
    image.name,
    0,
    "image.part",
    "is an image of a Parallels disk, without the descriptor that tells whether it is all of it",
    `${hint} If it is the whole disk, say that its format is parallels.`,
  );
}

async function readDescriptor(file: ImageFile, signal: AbortSignal | undefined) {
  const { size } = file.bytes;
  if (size > MAX_DESCRIPTOR_BYTES)
    throw insane(file.name, 0, `its descriptor has ${size} bytes; ${MAX_DESCRIPTOR_BYTES} are the most`);
  const { raw } = await readStruct(file, 0, size, "le", "the descriptor", signal);
  return parseDescriptor(file.name, raw);
}

async function openDescribed(image: ImageFile, signal: AbortSignal | undefined): Promise<OpenedImage> {
  const { storages, snapshots } = await readDescriptor(image, signal);
  const files = new ImageChain(image);
  const notes: string[] = [];
  try {
    const disks: Layer[] = [];
    for (const storage of storages) disks.push(await openStorage(image, storage, files, notes, signal));
    const [only] = disks;
    const disk = only !== undefined && disks.length === 1 ? only : new ConcatDisk(disks);
    const names = storages.flatMap(({ images }) => images.slice(1).map(({ file }) => lastPart(file)));
    return {
      facts: {
        format: "parallels",
        variant: snapshots > 0 ? "differencing" : (storages[0]?.images[0].type ?? "plain"),
        virtualSize: disk.size,
        files: files.files,
        ...(names.length === 0 ? {} : { parents: names }),
        details: { storages: storages.length, snapshots },
        notes,
      },
      disk,
      async [Symbol.asyncDispose]() {
        await files.close();
        await image.bytes[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** The images of one stretch of the disk, the lower ones where the upper ones have nothing. */
async function openStorage(
  image: ImageFile,
  { start, end, images }: Storage,
  files: ImageChain,
  notes: string[],
  signal: AbortSignal | undefined,
): Promise<Layer> {
  const size = (end - start) * SECTOR;
  const layers: Layer[] = [];
  const used = new Set<string>();
  for (const { type, file: path } of images) {
    signal?.throwIfAborted();
    const name = lastPart(path);
    // Of paths only the last part is found here: two of one name cannot be told apart.
    if (used.has(name))
      throw insane(image.name, 0, `two of its images are called ${JSON.stringify(name.slice(0, 100))}`);
    used.add(name);
    if (name === image.name || name === "") throw insane(image.name, 0, "one of its images is the descriptor itself");
    const file = await files.open(name);
    if (type === "plain") {
      layers.push(new FlatDisk(file, 0, size));
      break;
    }
    const opened = await openExpanding(file, signal);
    notes.push(...opened.notes);
    if (opened.disk.size < size)
      throw insane(file.name, 36, `it holds ${opened.disk.size} bytes of the disk, the descriptor says ${size}`);
    layers.push(firstBytes(opened.disk, size));
  }
  const [top, ...below] = layers;
  const base = below.at(-1);
  if (top === undefined) throw insane(image.name, 0, "one of its storages has no image");
  if (base === undefined) return top;
  return whole(new LayeredDisk([top, ...below.slice(0, -1)], base));
}

/** A chain that leaves nothing to anybody else. */
function whole(disk: LayeredDisk): Layer {
  return {
    size: disk.size,
    extents: (signal) => disk.extents(signal),
    read: (offset, into, signal) => disk.read(offset, into, signal),
    locate: (offset, limit, signal) => disk.locate(offset, limit, signal),
    held: (_offset, limit) => ({ length: limit, kind: "data" }),
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

/** The descriptor was made on another machine: of a path the last part counts. */
function lastPart(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? "";
}
