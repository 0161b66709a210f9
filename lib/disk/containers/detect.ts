/** Whether a file is a package of a whole machine or describes one, by its content. */
import type { HolderKind } from "#lib/domain/container.ts";
import type { ImageFile } from "../io.ts";
import { namedRaw } from "../open-named.ts";
import { packingOf } from "../wrappers/packing.ts";
import { zipEntries } from "../wrappers/zip.ts";
import { descriptionsIn, mayBeDisk } from "./archive/contents.ts";
import { isClutter } from "./files/clutter.ts";
import { looksLikeVmx } from "./machine/vmx.ts";
import { tarEntries } from "./tar/entries.ts";
import { looksLikeTar, TAR_BLOCK } from "./tar/header.ts";
import { decodeText } from "./xml.ts";

const HEAD_BYTES = 65_536;
/** The descriptor should stand first; whoever packs by hand puts it anywhere. */
const ENTRIES_TO_LOOK_AT = 2048;

/** A folder is no file: it says itself what it is. */
export type DetectedKind = Exclude<HolderKind, "folder"> | "zip";

/** Null: something else. Throws what walking a damaged archive throws. */
export async function detectContainer(image: ImageFile, signal?: AbortSignal): Promise<DetectedKind | null> {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, image.bytes.size));
  await image.bytes.read(0, head, signal);
  if (packingOf(head) === "zip") return (await holdsSeveral(image, signal)) ? "zip" : null;
  if (/\.vmcx$/i.test(image.name) && head.length > 0) return "hyperv";
  const described = describes(image.name, head);
  if (described !== null) return described;
  if (!looksLikeTar(head.subarray(0, TAR_BLOCK))) return null;
  let looked = 0;
  for await (const { name } of tarEntries(image, ENTRIES_TO_LOOK_AT + 1, signal)) {
    if (name === "ova.xml") return "xva";
    if (/\.ovf$/i.test(name) && !isClutter(name)) return "ova";
    if (++looked === ENTRIES_TO_LOOK_AT) break;
  }
  // A disk that is called one may begin with anything.
  return namedRaw(image.name) ? null : "archive";
}

/** Whether the files of a zip are opened together; the file of a name that was said is read as it passes by. */
export async function isZipPackage(
  image: ImageFile,
  disk: number | string | undefined,
  signal?: AbortSignal,
): Promise<boolean> {
  if ((await detectContainer(image, signal)) !== "zip") return false;
  const names = (await zipEntries(image, signal)).map(({ name }) => name);
  return disk === undefined || descriptionsIn(names) !== null || !names.includes(String(disk));
}

/** A machine that is described, or more than one file that may be a disk: what is in it belongs together. */
async function holdsSeveral(image: ImageFile, signal: AbortSignal | undefined): Promise<boolean> {
  if (namedRaw(image.name)) return false;
  const names = (await zipEntries(image, signal)).map(({ name }) => name);
  return descriptionsIn(names) !== null || names.filter(mayBeDisk).length > 1;
}

function describes(name: string, head: Buffer): DetectedKind | null {
  const text = decodeText(head);
  if (/\.vmx$/i.test(name) && looksLikeVmx(text)) return "vmx";
  if (!/^\ufeff?\s*</.test(text.slice(0, 1024))) return null;
  if (/<(?:[\w.-]{1,60}:)?Envelope[\s>]/.test(text)) return "ovf";
  if (/<VirtualBox\s/.test(text) && /<Machine\s/.test(text)) return "vbox";
  return /<configuration>/.test(text) && /<properties>/.test(text) && /\.xml$/i.test(name) ? "hyperv" : null;
}
