/** Opens an image with its data file and backing chain, all from one folder. */
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../../block-source.ts";
import { FlatDisk } from "../../flat-disk.ts";
import type { OpenedImage } from "../../format.ts";
import { corrupt, refused } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { Qcow2Disk } from "./disk.ts";
import { readHeader } from "./header.ts";
import { MAGIC, type Qcow2Header } from "./layout.ts";

/** Long chains are legal but slow; a chain like this one is nobody's intent. */
const DEEPEST_CHAIN = 64;

interface Chain {
  readonly files: string[];
  /** The backing files among them, nearest first. */
  readonly parents: string[];
  readonly notes: string[];
  readonly names: Set<string>;
  readonly opened: AsyncDisposable[];
}

/** Throws `image.*` (see readHeader, ClusterMap), `image.dirty`, `image.chain-loop`, `image.chain-too-deep`, `image.path-escapes`. */
export async function openQcow2(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const chain: Chain = { files: [], parents: [], notes: [], names: new Set(), opened: [] };
  try {
    const { header, disk } = await openLayer(image, chain, signal);
    return {
      facts: {
        format: "qcow2",
        variant: header.version === 2 ? "v2" : "v3",
        virtualSize: disk.size,
        files: chain.files,
        ...(chain.parents.length === 0 ? {} : { parents: chain.parents }),
        details: {
          clusterSize: header.clusterBytes,
          compression: header.compression,
          refcountBits: header.refcountBits,
          extendedL2: header.extendedL2,
          internalSnapshots: header.snapshots,
          ...(header.dataFile === null ? {} : { dataFile: header.dataFile }),
          ...(header.backing === null ? {} : { backingFile: header.backing.name }),
        },
        notes: chain.notes,
      },
      disk,
      [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
    };
  } catch (error) {
    await Promise.allSettled(chain.opened.map((file) => file[Symbol.asyncDispose]()));
    throw error;
  }
}

async function openLayer(
  image: ImageFile,
  chain: Chain,
  signal: AbortSignal | undefined,
): Promise<{ header: Qcow2Header; disk: BlockSource }> {
  signal?.throwIfAborted();
  enter(image.name, chain);
  const header = await readHeader(image, signal);
  if (header.dirty) {
    if (image.acceptDirty !== true) throw dirty(image.name);
    chain.notes.push(
      `${image.name} was not closed cleanly. Its content is read; its reference counts were not needed.`,
    );
  }
  if (header.snapshots > 0) {
    chain.notes.push(
      `${image.name} holds ${header.snapshots} internal snapshot${header.snapshots === 1 ? "" : "s"}; only the current state is read.`,
    );
  }
  const data = header.dataFile === null ? image : await openData(image, header.dataFile, chain);
  const backing = header.backing === null ? null : await openBacking(image, header.backing, chain, signal);
  return { header, disk: new Qcow2Disk(image, data, backing, header) };
}

/** Only the counts of an image like this are in doubt; but one that a machine is writing to is marked the same way. */
function dirty(name: string): AppError {
  return refused(
    name,
    72,
    "image.dirty",
    "was not closed cleanly, or a machine is using it now",
    "Make sure that no machine uses it. Then repair it with qemu-img check -r all, or read it as it is with --accept-dirty: its counts are in doubt, its content is not.",
  );
}

/** Each file stands once in a chain: the same one twice is a circle. */
function enter(name: string, chain: Chain): void {
  if (chain.names.has(name)) {
    throw refused(
      name,
      0,
      "image.chain-loop",
      "is its own backing file, directly or through others",
      "Rebase it with qemu-img rebase -u.",
    );
  }
  if (chain.names.size >= DEEPEST_CHAIN) {
    throw refused(
      name,
      0,
      "image.chain-too-deep",
      `stands more than ${DEEPEST_CHAIN} backing files deep`,
      "Commit or convert the chain first.",
    );
  }
  chain.names.add(name);
  chain.files.push(name);
}

async function openData(image: ImageFile, name: string, chain: Chain): Promise<ImageFile> {
  const data = await sibling(image, name, chain);
  if (chain.names.has(data.name)) throw corrupt(image.name, 0, "it names itself or its backing file as its data file");
  chain.names.add(data.name);
  chain.files.push(data.name);
  return data;
}

async function openBacking(
  image: ImageFile,
  backing: { name: string; format: string | null },
  chain: Chain,
  signal: AbortSignal | undefined,
): Promise<BlockSource> {
  const file = await sibling(image, backing.name, chain);
  chain.parents.push(file.name);
  const isQcow2 = await startsWithMagic(file, signal);
  if (backing.format !== null && backing.format !== "raw" && backing.format !== "qcow2") {
    throw refused(
      image.name,
      0,
      "image.unsupported-backing",
      `stands on a backing file of format ${JSON.stringify(backing.format.slice(0, 40))}`,
      "Only qcow2 and raw backing files are read: convert the chain to one file first.",
    );
  }
  if (backing.format === "raw" || (backing.format === null && !isQcow2)) {
    if (backing.format === null)
      chain.notes.push(`${image.name} does not tell the format of ${file.name}; it was read as raw.`);
    enter(file.name, chain);
    return new FlatDisk(file, 0, file.bytes.size);
  }
  // Nobody said that it is an image: a guest that had it as its raw disk may have written what looks like one.
  return (await openLayer(backing.format === null ? besideOnly(file) : file, chain, signal)).disk;
}

function besideOnly({ atPath: _paths, ...file }: ImageFile): ImageFile {
  return file;
}

async function startsWithMagic(file: ImageFile, signal: AbortSignal | undefined): Promise<boolean> {
  if (file.bytes.size < 4) return false;
  const magic = Buffer.alloc(4);
  await file.bytes.read(0, magic, signal);
  return magic.readUInt32BE(0) === MAGIC;
}

async function sibling(image: ImageFile, name: string, chain: Chain): Promise<ImageFile> {
  // `json:{…}`, `nbd:…`, `file:…`: QEMU's ways to reach anything at all.
  if (/^[a-z][a-z0-9+.-]*:/i.test(name)) {
    throw new AppError(
      "unprocessable",
      "image.path-escapes",
      `${image.name} names ${JSON.stringify(name.slice(0, 200))}, which is not a plain file beside it.`,
      { hint: "Convert the chain to one file first.", details: { file: image.name, path: name.slice(0, 200) } },
    );
  }
  const file = await (name.includes("/") && image.atPath !== undefined ? image.atPath(name) : image.sibling(name));
  chain.opened.push(file.bytes);
  return file;
}
