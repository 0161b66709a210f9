/** Files that are raw disks because of what they are called: the only case in which nobody has to say so. */
import { extname } from "node:path";
import { recognise } from "./content/recognise.ts";
import type { ImageFacts, OpenedImage } from "./format.ts";
import type { ImageFile } from "./io.ts";
import { detectFormat, openImage, type OpenImageOptions } from "./registry.ts";
import { packingOfFile } from "./wrappers/packing.ts";

/** A person who names a file like this says that it is raw, unless its content says otherwise. */
const RAW_NAMES = new Set([".raw", ".img", ".dd"]);

export const namedRaw = (name: string): boolean => RAW_NAMES.has(extname(name).toLowerCase());

/** What has to be told of a file that nothing but its name says to be a disk. */
export interface RawByName {
  readonly notes: readonly string[];
}

/** null: it is not named so, or its content says something else. */
export async function rawByName(image: ImageFile, signal?: AbortSignal): Promise<RawByName | null> {
  return namedRaw(image.name) ? looksRaw(image, signal) : null;
}

/** As rawByName, for a file that was named so elsewhere. */
export async function looksRaw(image: ImageFile, signal?: AbortSignal): Promise<RawByName | null> {
  if ((await detectFormat(image, signal)) !== null) return null;
  const content = await recognise(image, signal);
  if (content.kind === "other" && content.likely !== true) return null;
  const note =
    content.kind === "disk"
      ? content.partitioned
        ? null
        : `${image.name} holds ${content.what}.`
      : content.kind === "unknown" && content.zeros
        ? `${image.name} holds zeros wherever it was looked at; it was read as raw because of its name.`
        : `Neither a partition table nor a file system was found in ${image.name}; it was read as raw because of its name.`;
  return { notes: note === null ? [] : [note] };
}

export function withNotes(facts: ImageFacts, notes: readonly string[]): ImageFacts {
  return notes.length === 0 ? facts : { ...facts, notes: [...facts.notes, ...notes] };
}

/**
 * As `openImage`, in a package whose description has said already whether its files are packed; what its content tells
 * nothing of is raw when its name says so.
 */
export async function openNamed(image: ImageFile, options: OpenImageOptions): Promise<OpenedImage> {
  const { from, signal } = options;
  const named = from === undefined && namedRaw(image.name);
  const packed = named && (await packingOfFile(image.bytes, signal)) !== null;
  const raw = named && (packed || (await looksRaw(image, signal)) !== null);
  return openImage(image, raw ? { ...options, from: "raw" } : options);
}
