/** One image of a chain: a descriptor with its extents beside it, or one sparse file with the descriptor inside. */
import { AppError } from "#lib/errors.ts";
import { ConcatDisk } from "../../concat-disk.ts";
import { readStruct } from "../../fields.ts";
import { FlatDisk } from "../../flat-disk.ts";
import type { ImageChain } from "../../image-chain.ts";
import { insane, refused } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { firstBytes, type Layer } from "../../layer.ts";
import { ZeroDisk } from "../../zero-disk.ts";
import { openCowd } from "./cowd.ts";
import {
  type Descriptor,
  type DescriptorExtent,
  looksLikeDescriptor,
  MAX_DESCRIPTOR_BYTES,
  parseDescriptor,
} from "./descriptor.ts";
import { refuseUnreadable, SPARSE_TYPES } from "./descriptor-facts.ts";
import { FLAG_COMPRESSED, hasFlag, MAGIC_COWD, MAGIC_SESPARSE, SECTOR } from "./layout.ts";
import { openSeSparse } from "./sesparse.ts";
import { openSparse, type SparseExtent } from "./sparse.ts";

export interface Link {
  readonly disk: Layer;
  /** null: a lone extent without one. */
  readonly descriptor: Descriptor | null;
  /** Where the descriptor is in the file. */
  readonly at: number;
  readonly variant: string;
  readonly details: Readonly<Record<string, string | number>>;
  readonly notes: readonly string[];
}

/** Files that it opens belong to the chain; `image.bytes` stays its owner's. Throws AppError `image.*`. */
export async function openLink(image: ImageFile, chain: ImageChain, signal?: AbortSignal): Promise<Link> {
  const head = await readStruct(image, 0, Math.min(image.bytes.size, 4096), "le", "the header", signal);
  if (looksLikeDescriptor(head.raw)) return fromDescriptor(image, chain, signal);
  const kind = deltaKind(head.raw);
  if (kind !== null) {
    throw refused(
      image.name,
      0,
      "image.vmdk-delta",
      `is the data of a snapshot (${kind}) and does not tell whose`,
      "Open the snapshot's descriptor, the small .vmdk of the same name, with this file beside it.",
    );
  }
  return fromSparse(image, signal);
}

function deltaKind(head: Buffer): "COWD" | "seSparse" | null {
  if (head.toString("latin1", 0, 4) === MAGIC_COWD) return "COWD";
  return head.subarray(0, MAGIC_SESPARSE.length).equals(MAGIC_SESPARSE) ? "seSparse" : null;
}

async function fromSparse(image: ImageFile, signal: AbortSignal | undefined): Promise<Link> {
  const extent = await openSparse(image, signal);
  return { disk: extent.disk, ...describeSparse(image.name, extent) };
}

/** What one sparse file tells of itself. Throws `image.*` for what cannot be read. */
export function describeSparse(name: string, extent: Omit<SparseExtent, "disk">): Omit<Link, "disk"> {
  const { header, descriptor: found, notes: told } = extent;
  const notes = [...told];
  const at = found?.at ?? 0;
  let descriptor: Descriptor | null = null;
  const compressed = hasFlag(header.flags, FLAG_COMPRESSED);
  const parsed = found === null ? null : parseDescriptor(found.bytes, name, at);
  // Parts have room for a descriptor, and nothing in it.
  if (parsed === null || (parsed.extents.length === 0 && parsed.values.size === 0)) {
    // A stream is never split.
    if (!compressed) throw partAlone(name);
    notes.push(`${name} has no descriptor; its header was believed.`);
  } else {
    descriptor = parsed;
    refuseUnreadable(name, descriptor, at);
    if (descriptor.extents.length > 1) {
      throw insane(name, at, "its embedded descriptor names extents in other files");
    }
    const sectors = descriptor.extents[0]?.sectors;
    if (sectors !== undefined && sectors !== header.capacity) {
      notes.push(`Its descriptor tells ${sectors} sectors, its header ${header.capacity}: the header was believed.`);
    }
  }
  return {
    descriptor,
    at,
    variant: descriptor?.values.get("createtype") ?? (compressed ? "streamOptimized" : "monolithicSparse"),
    details: {
      grainSize: header.grainSize * SECTOR,
      headerVersion: header.version,
      ...(compressed ? { compression: "deflate" } : {}),
    },
    notes,
  };
}

/** An extent does not tell which part of the disk it is: read alone it would be a disk that looks whole. */
function partAlone(name: string): AppError {
  const stem = /^(.+)-s\d{3}\.vmdk$/i.exec(name)?.[1];
  return refused(
    name,
    28,
    "image.part",
    "is one part of a disk that was split into several files: it has no descriptor",
    `Open the disk's descriptor, the small text file ${stem === undefined ? "that names this one" : `${stem}.vmdk`}, with all parts beside it.`,
  );
}

async function fromDescriptor(image: ImageFile, chain: ImageChain, signal: AbortSignal | undefined): Promise<Link> {
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
  requireDistinct(image, descriptor.extents);
  const disks: Layer[] = [];
  const notes: string[] = [];
  for (const extent of descriptor.extents) {
    signal?.throwIfAborted();
    disks.push(await openExtent(extent, image, chain, notes, signal));
  }
  return {
    disk: new ConcatDisk(disks),
    descriptor,
    at: 0,
    variant: descriptor.values.get("createtype") ?? "custom",
    details: { extents: descriptor.extents.length },
    notes,
  };
}

/** Only the last part of a path is found beside the descriptor: two paths that end alike would become one file. */
function requireDistinct(image: ImageFile, extents: readonly DescriptorExtent[]): void {
  const paths = new Map<string, string>();
  for (const { fileName } of extents) {
    if (fileName === null || fileName === undefined) continue;
    const name = lastPart(fileName);
    const other = paths.get(name) ?? fileName;
    paths.set(name, other);
    if (other === fileName) continue;
    throw refused(
      image.name,
      0,
      "image.sibling-missing",
      `names ${JSON.stringify(other.slice(0, 100))} and ${JSON.stringify(fileName.slice(0, 100))}, two files that would have one name beside it`,
      "Copy them into the descriptor's folder under different names, and change the names in the descriptor.",
    );
  }
}

const lastPart = (path: string): string => path.split(/[/\\]/).at(-1) ?? "";

async function openExtent(
  e: DescriptorExtent,
  owner: ImageFile,
  chain: ImageChain,
  notes: string[],
  signal: AbortSignal | undefined,
): Promise<Layer> {
  const size = e.sectors * SECTOR;
  if (e.type === "ZERO") return new ZeroDisk(size);
  const file = await openNamed(e.fileName ?? "", owner, chain, notes);
  if (!SPARSE_TYPES.has(e.type)) return new FlatDisk(file, e.offset * SECTOR, size);
  const disk = await openSparseFile(file, notes, signal);
  if (disk.size < size) {
    throw insane(file.name, 12, `it holds ${disk.size} bytes of the disk, the descriptor says ${size}`);
  }
  // A sparse extent may be rounded up to whole grains; the descriptor says how much of it counts.
  return firstBytes(disk, size);
}

async function openSparseFile(file: ImageFile, notes: string[], signal: AbortSignal | undefined): Promise<Layer> {
  const head = await readStruct(file, 0, Math.min(file.bytes.size, 8), "le", "the header", signal);
  const kind = deltaKind(head.raw);
  if (kind === "COWD") return openCowd(file, signal);
  if (kind === "seSparse") return openSeSparse(file, signal);
  const sparse = await openSparse(file, signal);
  notes.push(...sparse.notes);
  return sparse.disk;
}

/**
 * Descriptors of disks that lie in several folders name their extents by paths of the machine that they come from: the last
 * part counts. Throws `image.path-escapes`, `image.sibling-missing`.
 */
async function openNamed(path: string, owner: ImageFile, chain: ImageChain, notes: string[]): Promise<ImageFile> {
  const name = lastPart(path);
  if (owner.home !== undefined || name === path || `./${name}` === path || name === "") return chain.open(path);
  const shown = JSON.stringify(path.slice(0, 200));
  try {
    const file = await chain.open(name);
    notes.push(`${owner.name} names ${shown}; ${name} beside it was used.`);
    return file;
  } catch (cause) {
    if (!(cause instanceof AppError && cause.code === "image.sibling-missing")) throw cause;
    throw new AppError(
      "unprocessable",
      "image.sibling-missing",
      `${owner.name} needs ${shown}, and no ${name} lies beside it.`,
      {
        hint: "Copy it from the machine that the disk comes from into the same folder.",
        details: { file: owner.name, missing: path.slice(0, 200) },
        cause,
      },
    );
  }
}
