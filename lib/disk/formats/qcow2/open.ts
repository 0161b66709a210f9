/** Opens an image with its data file and backing chain, all from one folder. */
import type { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../../block-source.ts";
import type { BackingChain } from "../../backing/backing-chain.ts";
import type { OpenContext, OpenedImage } from "../../format.ts";
import { corrupt, refused } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { Qcow2Disk } from "./disk.ts";
import { readHeader } from "./header.ts";
import type { Qcow2Header } from "./layout.ts";

/** Throws `image.*` (see readHeader, ClusterMap, BackingChain), `image.dirty`. */
export async function openQcow2(
  image: ImageFile,
  signal: AbortSignal | undefined,
  { chain }: OpenContext,
): Promise<OpenedImage> {
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
    await chain.close();
    throw error;
  }
}

async function openLayer(
  image: ImageFile,
  chain: BackingChain,
  signal: AbortSignal | undefined,
): Promise<{ header: Qcow2Header; disk: BlockSource }> {
  signal?.throwIfAborted();
  chain.enter(image.name);
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
  const backing = header.backing === null ? null : await chain.open(image, header.backing, signal);
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

async function openData(image: ImageFile, name: string, chain: BackingChain): Promise<ImageFile> {
  const { file } = await chain.beside(image, name, "data file");
  if (chain.has(file.name)) throw corrupt(image.name, 0, "it names itself or its backing file as its data file");
  chain.enter(file.name);
  return file;
}
