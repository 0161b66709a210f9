/** Opens a VMDK and the chain of those that it is a difference of. */
import { readStruct } from "../../fields.ts";
import type { OpenedImage } from "../../format.ts";
import { type ImageChain, parentMismatch, parentMissing } from "../../image-chain.ts";
import type { ImageFile } from "../../io.ts";
import { openChain } from "../../open-chain.ts";
import { looksLikeDescriptor, parseDescriptor } from "./descriptor.ts";
import { contentId, descriptorDetails, imageUuid, parentLink, stateUuid } from "./descriptor-facts.ts";
import { MAGIC_HOSTED, parseHeader, SECTOR } from "./layout.ts";
import { type Link, openLink } from "./link.ts";

/** Throws AppError `image.*`. Once open, the image owns `image.bytes` and every file that it opened. */
export async function openVmdk(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage> {
  const opened = await openChain<Link>(
    image,
    {
      open: (file, chain) => openLink(file, chain, signal),
      parent: (link, owner, chain) => findParent(link, owner, chain, signal),
      check: requireSame,
    },
    signal,
  );
  const { top, links, disk, files } = opened;
  return {
    facts: {
      format: "vmdk",
      variant: top.variant,
      virtualSize: disk.size,
      files,
      ...opened.facts,
      details: { ...descriptorDetails(top.descriptor), ...top.details },
      notes: links.flatMap((link) => link.notes),
    },
    disk,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function findParent(
  { descriptor }: Link,
  owner: string,
  chain: ImageChain,
  signal: AbortSignal | undefined,
): Promise<ImageFile | null> {
  const wanted = descriptor === null ? null : parentLink(descriptor);
  if (wanted === null) return null;
  if (wanted.path !== null) return chain.parent(owner, [wanted.path]);
  const found =
    wanted.uuid === null ? null : await chain.search(wanted.uuid, ".vmdk", (file) => identify(file, signal), signal);
  if (found !== null) return found;
  const named = wanted.uuid === null ? "a parent that it does not name" : `the disk with the UUID ${wanted.uuid}`;
  throw parentMissing(owner, `holds only what changed since ${named}, which is not beside it`);
}

/** VirtualBox writes 10 KiB at most. A folder may hold a thousand strangers, and each is looked at. */
const MAX_IDENTITY_BYTES = 65_536;

/** VirtualBox's UUID of a VMDK, of which only the descriptor is read. */
async function identify(file: ImageFile, signal: AbortSignal | undefined): Promise<string | null> {
  const head = await readStruct(file, 0, Math.min(file.bytes.size, 4096), "le", "the header", signal);
  let at = 0;
  let length = Math.min(file.bytes.size, MAX_IDENTITY_BYTES);
  if (head.raw.length >= SECTOR && head.ascii(0, 4) === MAGIC_HOSTED) {
    const header = parseHeader(head);
    at = header.descriptorOffset * SECTOR;
    length = header.descriptorSize * SECTOR;
    if (at === 0 || length > MAX_IDENTITY_BYTES) return null;
  } else if (!looksLikeDescriptor(head.raw)) return null;
  const text = await readStruct(file, at, length, "le", "the descriptor", signal);
  return imageUuid(parseDescriptor(text.raw, file.name, at));
}

/** Throws `image.parent-mismatch` for a parent that was changed since, or is another disk. */
function requireSame(link: Link, owner: string, parent: Link, name: string): void {
  const wanted = link.descriptor === null ? null : parentLink(link.descriptor);
  if (wanted === null) return;
  const fail = (what: string) => parentMismatch(owner, link.at, name, what);
  const { descriptor } = parent;
  if (descriptor === null) throw fail("that file has no descriptor to tell what it is");
  const cid = contentId(descriptor);
  if (wanted.cid !== null && cid !== wanted.cid)
    throw fail(`it was made of content ${hex(wanted.cid)}, which is now ${cid === null ? "not told" : hex(cid)}`);
  if (wanted.uuid !== null && imageUuid(descriptor) !== wanted.uuid)
    throw fail(`it was made of the disk ${wanted.uuid}, that file is ${imageUuid(descriptor) ?? "not told"}`);
  const state = stateUuid(descriptor);
  if (wanted.stateUuid !== null && state !== null && state !== wanted.stateUuid)
    throw fail("the parent was written to after the difference was made");
}

function hex(cid: number): string {
  return cid.toString(16).padStart(8, "0");
}
