/** Opens a VHD and the chain of those that it is a difference of. */
import type { BlockSource } from "../../block-source.ts";
import type { ImageFacts, OpenedImage, OpenedStream } from "../../format.ts";
import { parentMismatch } from "../../image-chain.ts";
import type { ImageFile } from "../../io.ts";
import { cutDisk } from "../../layer.ts";
import { openChain } from "../../open-chain.ts";
import { isZero } from "../../zeros.ts";
import { forwardBlocks } from "./forward.ts";
import { type Footer, TYPE_DIFFERENCING, TYPE_DYNAMIC, TYPE_FIXED } from "./layout.ts";
import { openBy, openLink, readFrontFooter, type VhdLink } from "./link.ts";

/** Throws AppError `image.*`. Once open, the image owns `image.bytes` and every file that it opened. */
export async function openVhd(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const opened = await openChain<VhdLink>(
    image,
    {
      open: (file) => openLink(file, signal),
      parent: async ({ parent }, owner, chain) => (parent === null ? null : chain.parent(owner, parent.paths)),
      check: requireSame,
    },
    signal,
  );
  try {
    const { top, links, files } = opened;
    const { disk, notes } = await asTheGuestSees(opened.disk, top.footer, signal);
    return {
      facts: {
        ...factsOf(top, disk.size, files),
        ...opened.facts,
        notes: [...links.flatMap((link) => link.notes), ...notes],
      },
      disk,
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * By the footer's copy and the table at the beginning, block by block in the order of the file. Null: it has no copy,
 * as fixed images, or more than its beginning is needed.
 */
export async function forwardVhd(image: ImageFile, signal?: AbortSignal): Promise<OpenedStream | null> {
  const found = await readFrontFooter(image, signal);
  if (found?.footer.type !== TYPE_DYNAMIC || BY_GEOMETRY.has(found.footer.creator)) return null;
  const link = await openBy(image, found, signal);
  if (link.shape === null) return null;
  const blocks = await forwardBlocks(image, link.shape, signal);
  return {
    facts: factsOf(link, link.disk.size, [image.name]),
    size: link.disk.size,
    ...blocks,
    [Symbol.asyncDispose]: () => link.disk[Symbol.asyncDispose](),
  };
}

function factsOf(
  { footer, parent, details, notes }: VhdLink,
  virtualSize: number,
  files: readonly string[],
): ImageFacts {
  return {
    format: "vhd",
    variant: variantOf(footer),
    virtualSize,
    files,
    details: {
      creator: footer.creator,
      ...(parent === null ? {} : { parentUniqueId: parent.uniqueId }),
      ...details,
    },
    notes,
  };
}

function variantOf({ type }: Footer): string {
  return type === TYPE_FIXED ? "fixed" : type === TYPE_DIFFERENCING ? "differencing" : "dynamic";
}

function requireSame({ parent }: VhdLink, owner: string, { footer }: VhdLink, name: string): void {
  if (parent === null || parent.uniqueId === footer.uniqueId) return;
  throw parentMismatch(
    owner,
    parent.at,
    name,
    `it was made of the disk ${parent.uniqueId}, that file is ${footer.uniqueId}`,
  );
}

/** Virtual PC and Virtual Server: their guests see the geometry, whole cylinders, and not the size beside it. */
const BY_GEOMETRY = new Set(["vpc", "vs"]);

/**
 * Hyper-V, Azure, VirtualBox, XenServer, Disk2vhd and QEMU mean the size in the footer. With the two that do not, a
 * rest of less than a cylinder lies beyond the disk's end; should anything be there after all, it is kept.
 */
async function asTheGuestSees(
  disk: BlockSource,
  { creator, geometrySize, cylinderBytes }: Footer,
  signal: AbortSignal | undefined,
): Promise<{ disk: BlockSource; notes: readonly string[] }> {
  const rest = disk.size - geometrySize;
  if (!BY_GEOMETRY.has(creator) || geometrySize === 0 || rest <= 0 || rest >= cylinderBytes) return { disk, notes: [] };
  const tail = Buffer.alloc(rest);
  await disk.read(geometrySize, tail, signal);
  if (!isZero(tail)) {
    return {
      disk,
      notes: [`Its last ${rest} bytes lie beyond its geometry, but hold data: they were kept.`],
    };
  }
  return {
    disk: cutDisk(disk, geometrySize),
    notes: [
      `The disk ends with its last whole cylinder, as Virtual PC shows it; the ${rest} zeros behind it were left out.`,
    ],
  };
}
