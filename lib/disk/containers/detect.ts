/** Whether a file is a package of a whole machine, by its content. */
import type { ContainerKind } from "#lib/domain/container.ts";
import type { ImageFile } from "../io.ts";
import { tarEntries } from "./tar/entries.ts";
import { looksLikeTar, TAR_BLOCK } from "./tar/header.ts";

const HEAD_BYTES = 65_536;
/** The descriptor stands first; a few writers put other small files before it. */
const ENTRIES_TO_LOOK_AT = 64;

/** Null: something else. Throws what walking a damaged archive throws. */
export async function detectContainer(image: ImageFile, signal?: AbortSignal): Promise<ContainerKind | null> {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, image.bytes.size));
  await image.bytes.read(0, head, signal);
  if (looksLikeEnvelope(head)) return "ovf";
  if (!looksLikeTar(head.subarray(0, TAR_BLOCK))) return null;
  let looked = 0;
  for await (const { name } of tarEntries(image, ENTRIES_TO_LOOK_AT + 1, signal)) {
    if (name === "ova.xml") return "xva";
    if (/\.ovf$/i.test(name)) return "ova";
    if (++looked === ENTRIES_TO_LOOK_AT) break;
  }
  return null;
}

function looksLikeEnvelope(head: Buffer): boolean {
  const text =
    head[0] === 0xff && head[1] === 0xfe ? head.subarray(2).toString("utf16le") : head.toString("utf8", 0, 16_384);
  return (
    /^\ufeff?\s*<(?:\?xml|!--|\w+:?Envelope[\s>]|Envelope[\s>])/.test(text) && /<(?:\w+:)?Envelope[\s>]/.test(text)
  );
}
