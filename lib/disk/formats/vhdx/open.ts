/** Opens a VHDX and the chain of those that it is a difference of. */
import { type NamedBytes } from "../../fields.ts";
import type { OpenedImage } from "../../format.ts";
import { insane } from "../../image-error.ts";
import { type ImageChain, parentMismatch } from "../../image-chain.ts";
import type { ImageFile } from "../../io.ts";
import type { Layer } from "../../layer.ts";
import { MappedDisk } from "../../mapped-disk.ts";
import { openChain } from "../../open-chain.ts";
import { blockMap } from "./block-map.ts";
import { replayLog } from "./log.ts";
import { type ParentLocator, readParentLocator } from "./parent-locator.ts";
import { logIsEmpty, type Metadata, readHeader, readMetadata, readRegions } from "./structure.ts";

interface VhdxLink {
  readonly disk: Layer;
  readonly metadata: Metadata;
  readonly dataWriteGuid: string;
  readonly parent: ParentLocator | null;
  readonly notes: readonly string[];
}

/** Throws AppError `image.*`. Once open, the image owns `image.bytes` and every file that it opened. */
export async function openVhdx(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const opened = await openChain<VhdxLink>(
    image,
    {
      open: (file) => openLink(file, signal),
      parent: async ({ parent }, owner, chain: ImageChain) =>
        parent === null ? null : chain.parent(owner, parent.paths),
      check: requireSame,
    },
    signal,
  );
  const { top, links, disk, files } = opened;
  const { metadata, parent } = top;
  return {
    facts: {
      format: "vhdx",
      variant: parent !== null ? "differencing" : metadata.fixed ? "fixed" : "dynamic",
      virtualSize: disk.size,
      files,
      ...opened.facts,
      details: {
        blockSize: metadata.blockBytes,
        logicalSectorSize: metadata.logicalSector,
        physicalSectorSize: metadata.physicalSector,
        ...(parent === null ? {} : { parentLinkage: parent.linkages.join(" or ") }),
      },
      notes: links.flatMap((link) => link.notes),
    },
    disk,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** What a log still holds is applied in memory, the file is not touched. */
async function openLink(image: ImageFile, signal: AbortSignal | undefined): Promise<VhdxLink> {
  const header = await readHeader(image, signal);
  const notes: string[] = [];
  let file: NamedBytes = image;
  if (!logIsEmpty(header)) {
    const replayed = await replayLog(image, header, signal);
    file = { name: image.name, bytes: replayed.bytes };
    notes.push(`${image.name} was not closed cleanly: ${replayed.entries} entries of its log were applied in memory.`);
  }
  const { bat, metadata: region } = await readRegions(file, signal);
  const metadata = await readMetadata(file, region, signal);
  if (metadata.hasParent && metadata.parentLocator === null)
    throw insane(image.name, region.at, "it has a parent but does not tell which");
  const parent =
    metadata.hasParent && metadata.parentLocator !== null
      ? await readParentLocator(file, metadata.parentLocator, signal)
      : null;
  const locate = blockMap(file, bat, metadata, [
    { what: "the metadata", at: region.at, length: region.length },
    { what: "the block table", at: bat.at, length: bat.length },
    { what: "the log", at: header.logAt, length: header.logLength },
  ]);
  return {
    disk: new MappedDisk(file, metadata.size, locate),
    metadata,
    dataWriteGuid: header.dataWriteGuid,
    parent,
    notes,
  };
}

/** 2.6.2.6.3: the parent's data must not have been written to since. 2.6.2.4: sectors are of one size in a chain. */
function requireSame({ parent, metadata }: VhdxLink, owner: string, below: VhdxLink, name: string): void {
  if (parent === null) return;
  if (!parent.linkages.includes(below.dataWriteGuid)) {
    throw parentMismatch(
      owner,
      parent.at,
      name,
      `it was made of the state ${parent.linkages.join(" or ")}, that file is in ${below.dataWriteGuid}`,
    );
  }
  if (metadata.logicalSector !== below.metadata.logicalSector) {
    throw parentMismatch(
      owner,
      parent.at,
      name,
      `its sectors have ${metadata.logicalSector} bytes, those of the parent ${below.metadata.logicalSector}`,
    );
  }
}
