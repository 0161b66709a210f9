/** Whether a file is a package of a whole machine, by its content. */
import type { ContainerKind } from "#lib/domain/container.ts";
import type { ImageFile } from "../io.ts";
import { isClutter } from "./files/clutter.ts";
import { tarEntries } from "./tar/entries.ts";
import { looksLikeTar, TAR_BLOCK } from "./tar/header.ts";
import { decodeText } from "./xml.ts";

const HEAD_BYTES = 65_536;
/** The descriptor should stand first; whoever packs by hand puts it anywhere. */
const ENTRIES_TO_LOOK_AT = 2048;

/** Null: something else. Throws what walking a damaged archive throws. */
export async function detectContainer(image: ImageFile, signal?: AbortSignal): Promise<ContainerKind | null> {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, image.bytes.size));
  await image.bytes.read(0, head, signal);
  if (looksLikeEnvelope(head)) return "ovf";
  if (!looksLikeTar(head.subarray(0, TAR_BLOCK))) return null;
  let looked = 0;
  for await (const { name } of tarEntries(image, ENTRIES_TO_LOOK_AT + 1, signal)) {
    if (name === "ova.xml") return "xva";
    if (/\.ovf$/i.test(name) && !isClutter(name)) return "ova";
    if (++looked === ENTRIES_TO_LOOK_AT) break;
  }
  return null;
}

function looksLikeEnvelope(head: Buffer): boolean {
  const text = decodeText(head);
  return /^\ufeff?\s*</.test(text.slice(0, 1024)) && /<(?:[\w.-]{1,60}:)?Envelope[\s>]/.test(text);
}
