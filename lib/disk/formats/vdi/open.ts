/** Opens a VDI and the chain of those that it is a difference of, which VirtualBox names by UUID alone. */
import type { OpenedImage } from "../../format.ts";
import { type ImageChain, parentMismatch, parentMissing } from "../../image-chain.ts";
import type { ImageFile } from "../../io.ts";
import { openChain } from "../../open-chain.ts";
import { AT, TYPE_DYNAMIC, TYPE_FIXED, uuidAt } from "./layout.ts";
import { openLink, readHeader, type VdiLink } from "./link.ts";

/** Throws AppError `image.*`. Once open, the image owns `image.bytes` and every file that it opened. */
export async function openVdi(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const opened = await openChain<VdiLink>(
    image,
    {
      open: (file) => openLink(file, signal),
      parent: (link, owner, chain) => findParent(link, owner, chain, signal),
      check: requireSame,
    },
    signal,
  );
  const { top, disk, files } = opened;
  return {
    facts: {
      format: "vdi",
      variant: top.type === TYPE_FIXED ? "fixed" : top.type === TYPE_DYNAMIC ? "dynamic" : "differencing",
      virtualSize: disk.size,
      files,
      ...opened.facts,
      details: top.details,
      notes: [],
    },
    disk,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function findParent(
  { parent }: VdiLink,
  owner: string,
  chain: ImageChain,
  signal: AbortSignal | undefined,
): Promise<ImageFile | null> {
  if (parent === null) return null;
  if (parent.uuid === null) throw parentMissing(owner, "holds only what changed since a disk that it does not name");
  const identify = async (file: ImageFile) => uuidAt((await readHeader(file, signal)).raw, AT.uuid);
  const found = await chain.search(parent.uuid, ".vdi", identify, signal);
  if (found !== null) return found;
  throw parentMissing(
    owner,
    `holds only what changed since the disk with the UUID ${parent.uuid}, and no .vdi beside it has that UUID`,
  );
}

/** VirtualBox gives a disk a new state with each session that writes: a difference fits one state only. */
function requireSame({ parent }: VdiLink, owner: string, { stateUuid }: VdiLink, name: string): void {
  if (parent?.stateUuid == null || stateUuid === null || parent.stateUuid === stateUuid) return;
  throw parentMismatch(owner, AT.uuidParentModified, name, "the parent was written to after the difference was made");
}
