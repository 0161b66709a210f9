/** Opens a VMDK: a descriptor with its extents beside it, or one sparse file with the descriptor inside. */
import type { BlockSource } from "../../block-source.ts";
import { ConcatDisk } from "../../concat-disk.ts";
import { readStruct } from "../../fields.ts";
import { FlatDisk } from "../../flat-disk.ts";
import type { ImageFacts, OpenedImage } from "../../format.ts";
import { insane, refused } from "../../image-error.ts";
import type { ByteSource, ImageFile } from "../../io.ts";
import { ZeroDisk } from "../../zero-disk.ts";
import {
  type Descriptor,
  type DescriptorExtent,
  looksLikeDescriptor,
  MAX_DESCRIPTOR_BYTES,
  parseDescriptor,
} from "./descriptor.ts";
import { FLAG_COMPRESSED, hasFlag, SECTOR } from "./layout.ts";
import { delta, openSparse } from "./sparse.ts";

/** Throws AppError `image.*`. Once open, the image owns `image.bytes` and every sibling that it opened. */
export async function openVmdk(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const head = await readStruct(image, 0, Math.min(image.bytes.size, 4096), "le", "the header", signal);
  return looksLikeDescriptor(head.raw) ? openDescriptor(image, signal) : openMonolithic(image, signal);
}

async function openMonolithic(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const extent = await openSparse(image, signal);
  const { header, disk } = extent;
  const notes = [...extent.notes];
  let values: Descriptor["values"] = new Map();
  if (extent.descriptor === null) {
    notes.push("The file has no descriptor: it may be one part of a disk that was split into several files.");
  } else {
    const descriptor = parseDescriptor(extent.descriptor.bytes, image.name, extent.descriptor.at);
    refuseUnreadable(image.name, descriptor, extent.descriptor.at);
    if (descriptor.extents.length > 1) {
      throw insane(image.name, extent.descriptor.at, "its embedded descriptor names extents in other files");
    }
    const told = descriptor.extents[0]?.sectors;
    if (told !== undefined && told !== header.capacity) {
      notes.push(`Its descriptor tells ${told} sectors, its header ${header.capacity}: the header was believed.`);
    }
    values = descriptor.values;
  }
  const compressed = hasFlag(header.flags, FLAG_COMPRESSED);
  const facts: ImageFacts = {
    format: "vmdk",
    variant: values.get("createtype") ?? (compressed ? "streamOptimized" : "monolithicSparse"),
    virtualSize: disk.size,
    files: [image.name],
    details: {
      ...descriptorDetails(values),
      grainSize: header.grainSize * SECTOR,
      headerVersion: header.version,
      ...(compressed ? { compression: "deflate" } : {}),
    },
    notes,
  };
  return { facts, disk, [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose]() };
}

async function openDescriptor(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  if (image.bytes.size > MAX_DESCRIPTOR_BYTES) {
    throw insane(image.name, 0, `its descriptor has ${image.bytes.size} bytes; ${MAX_DESCRIPTOR_BYTES} are the most`);
  }
  const text = await readStruct(image, 0, image.bytes.size, "le", "the descriptor", signal);
  const descriptor = parseDescriptor(text.raw, image.name, 0);
  refuseUnreadable(image.name, descriptor, 0);
  if (descriptor.extents.length === 0) throw insane(image.name, 0, "its descriptor names no extents");
  if (!Number.isSafeInteger(descriptor.extents.reduce((sum, e) => sum + e.sectors, 0) * SECTOR)) {
    throw insane(image.name, 0, "its extents add up to more than any disk");
  }

  const siblings = new Siblings(image);
  const disks: BlockSource[] = [];
  const notes: string[] = [];
  try {
    for (const extent of descriptor.extents) {
      signal?.throwIfAborted();
      disks.push(await openExtent(extent, siblings, notes, signal));
    }
  } catch (error) {
    await siblings.dispose();
    throw error;
  }
  const disk = new ConcatDisk(disks);
  const facts: ImageFacts = {
    format: "vmdk",
    variant: descriptor.values.get("createtype") ?? "custom",
    virtualSize: disk.size,
    files: [image.name, ...siblings.names()],
    details: { ...descriptorDetails(descriptor.values), extents: descriptor.extents.length },
    notes,
  };
  return {
    facts,
    disk,
    [Symbol.asyncDispose]: async () => {
      await siblings.dispose();
      await image.bytes[Symbol.asyncDispose]();
    },
  };
}

async function openExtent(
  e: DescriptorExtent,
  siblings: Siblings,
  notes: string[],
  signal?: AbortSignal,
): Promise<BlockSource> {
  const size = e.sectors * SECTOR;
  if (e.type === "ZERO") return new ZeroDisk(size);
  const file = await siblings.open(e.fileName ?? "");
  if (e.type !== "SPARSE") return new FlatDisk(file, e.offset * SECTOR, size);
  const sparse = await openSparse(file, signal);
  notes.push(...sparse.notes);
  if (sparse.disk.size < size) {
    throw insane(file.name, 12, `it holds ${sparse.disk.size} bytes of the disk, the descriptor says ${size}`);
  }
  // A sparse extent may be rounded up to whole grains; the descriptor says how much of it counts.
  return sparse.disk.size === size
    ? sparse.disk
    : new FlatDisk({ name: file.name, bytes: asBytes(sparse.disk) }, 0, size);
}

function asBytes(disk: BlockSource): ByteSource {
  return {
    size: disk.size,
    read: (offset, into, signal) => disk.read(offset, into, signal),
    allocated: async function* (signal) {
      for await (const e of disk.extents(signal)) if (e.kind === "data") yield { offset: e.offset, length: e.length };
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

/** Files that the descriptor names, each opened once however often it is named. */
class Siblings {
  readonly #image: ImageFile;
  readonly #open = new Map<string, ImageFile>();

  constructor(image: ImageFile) {
    this.#image = image;
  }

  /** Throws `image.path-escapes` or `image.sibling-missing`: ImageFile.sibling decides. */
  async open(name: string): Promise<ImageFile> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const file = await this.#image.sibling(name);
    this.#open.set(name, file);
    return file;
  }

  names(): readonly string[] {
    return [...this.#open.keys()];
  }

  async dispose(): Promise<void> {
    await Promise.allSettled([...this.#open.values()].map((file) => file.bytes[Symbol.asyncDispose]()));
  }
}

const FLAT_TYPES = new Set(["FLAT", "VMFS", "VMFSTHIN"]);

function refuseUnreadable(name: string, { values, extents }: Descriptor, at: number): void {
  const parent = values.get("parentcid")?.toLowerCase() ?? "ffffffff";
  const createType = values.get("createtype")?.toLowerCase() ?? "";
  if (parent !== "ffffffff") {
    const hint = values.get("parentfilenamehint");
    throw delta(name, `holds only what changed since ${hint === undefined ? "a parent disk" : `"${hint}"`}`);
  }
  if ([...values.keys()].some((key) => key.startsWith("encryption.")) || values.has("ddb.iofilters")) {
    throw refused(
      name,
      at,
      "image.encrypted",
      "is encrypted",
      "Remove the encryption in VMware first; the key stays there.",
    );
  }
  for (const { type, access, fileName } of extents) {
    if (type === "VMFSSPARSE" || type === "SESPARSE") throw delta(name, `is a snapshot's delta (${type})`);
    if (type === "VMFSRDM" || type === "VMFSRAW" || createType.includes("device") || access === "NOACCESS") {
      throw refused(
        name,
        at,
        "image.vmdk-device",
        "stands for a physical device and holds no data of its own",
        "Copy the device itself, or convert the raw device mapping to a virtual disk in vSphere.",
      );
    }
    if (type !== "ZERO" && type !== "SPARSE" && !FLAT_TYPES.has(type))
      throw insane(name, at, `it has an extent of the unknown type ${type}`);
    if (type !== "ZERO" && fileName === null) throw insane(name, at, `its ${type} extent names no file`);
  }
}

function descriptorDetails(values: Descriptor["values"]): Record<string, string> {
  const details: Record<string, string> = {};
  const take = (to: string, key: string) => {
    const value = values.get(key);
    if (value !== undefined && value !== "") details[to] = value.slice(0, 200);
  };
  take("cid", "cid");
  take("adapterType", "ddb.adaptertype");
  take("hardwareVersion", "ddb.virtualhwversion");
  take("toolsVersion", "ddb.toolsversion");
  return details;
}
