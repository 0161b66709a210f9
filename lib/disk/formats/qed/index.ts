/** QED: what QEMU offered between qcow2's versions 2 and 3. Read only. */
import type { ImageFormat, OpenContext, OpenedImage } from "../../format.ts";
import { refused } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import { LayeredDisk } from "../../layered-disk.ts";
import { MappedDisk } from "../../mapped-disk.ts";
import { clusterMap, requireOwnTables } from "./cluster-map.ts";
import { HEADER_BYTES, MAGIC, readHeader } from "./layout.ts";

export const qed = {
  id: "qed",
  label: "QED",
  matches: (head) =>
    head.length >= HEADER_BYTES && Buffer.from(head.buffer, head.byteOffset, 4).readUInt32LE(0) === MAGIC,
  open: openQed,
} satisfies ImageFormat;

/** Throws `image.*`: what the header and the tables throw, `image.dirty`, and what the backing files throw. */
async function openQed(
  image: ImageFile,
  signal: AbortSignal | undefined,
  { chain }: OpenContext,
): Promise<OpenedImage> {
  try {
    chain.enter(image.name);
    const header = await readHeader(image, signal);
    if (header.needCheck) {
      if (image.acceptDirty !== true) throw dirty(image.name);
      chain.notes.push(`${image.name} was not closed cleanly. It was read as it is.`);
    }
    await requireOwnTables(image, header, signal);
    const top = new MappedDisk(image, header.size, clusterMap(image, header), true);
    const below = header.backing === null ? null : await chain.open(image, header.backing, signal);
    const disk = below === null ? top : new LayeredDisk([top], below);
    return {
      facts: {
        format: "qed",
        variant: below === null ? "plain" : "differencing",
        virtualSize: disk.size,
        files: chain.files,
        ...(chain.parents.length === 0 ? {} : { parents: chain.parents }),
        details: {
          clusterSize: header.clusterBytes,
          tableSize: header.tableBytes,
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

/** Clusters that were being added then may hang on no table, or a table on none: only QEMU's check can tell. */
function dirty(name: string) {
  return refused(
    name,
    16,
    "image.dirty",
    "was not closed cleanly, or a machine is using it now",
    "Make sure that no machine uses it. Then repair it with qemu-img check -r all, or read it as it is with --accept-dirty.",
  );
}
