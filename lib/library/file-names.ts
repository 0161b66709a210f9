/** Names of files as strangers give them: only plain names of one folder ever reach the disk. */
import { extname } from "node:path";
import { cleanedName, foldedName, nameFault, readable } from "#lib/domain/plain-name.ts";
import { AppError } from "#lib/errors.ts";

/** Most file systems end at 255 bytes; room is left for our own endings. */
const MAX_BYTES = 200;

/**
 * The name itself when a new file may have it: plain, readable, and no other on a system that folds or cuts names.
 * Throws `image.bad-file-name` (invalid).
 */
export function safeFileName(name: string): string {
  storedFileName(name);
  const fault = nameFault(name) ?? (/[. ]$/.test(name) ? "cannot end with a dot or a space" : null);
  if (fault === null) return name;
  throw badName(name, `A file name ${fault}.`);
}

/** Of a file that is in the library: it may be older than the rules for names, but it never leads out of its folder. */
export function storedFileName(name: string): string {
  const leadsOut = name === "" || name.startsWith(".") || /[\0-\x1f\x7f/\\]/.test(name);
  if (!leadsOut && Buffer.byteLength(name) <= MAX_BYTES) return name;
  throw badName(
    name,
    `A name has no slashes or control characters, does not begin with a dot and is at most ${MAX_BYTES} bytes long.`,
  );
}

function badName(name: string, hint: string): AppError {
  const shown = readable([...name.slice(0, 80)].join(""));
  return new AppError("invalid", "image.bad-file-name", `"${shown}" cannot be the name of an image file.`, { hint });
}

/** Throws `image.names-collide`: on a file system that does not tell letter case apart one would replace the other. */
export function requireDistinct(names: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const other = seen.get(foldedName(name));
    if (other !== undefined) throw namesCollide(other, name);
    seen.set(foldedName(name), name);
  }
}

export function namesCollide(one: string, other: string): AppError {
  return new AppError(
    "unprocessable",
    "image.names-collide",
    one === other ? `There are two files named ${one}.` : `${one} and ${other} are one name on some file systems.`,
    { hint: "Give every file of the image a name of its own, whatever the case of its letters." },
  );
}

/** Stands in a version's folder for a file that came packed and is now what was in it. Hidden: no file of the image. */
export const unpackedMark = (fileName: string): string => `.${fileName}.unpacked`;

/** The name of an image when nobody said one: the file's name without its ending. */
export function imageNameOf(fileName: string): string {
  const stem = fileName.slice(0, fileName.length - extname(fileName).length);
  return cleanedName(stem, 100) || cleanedName(fileName, 100) || "Image";
}

/** From a text that is no file's name: what a VM is called, for one. */
export const imageNameFrom = (text: string): string => cleanedName(text, 100) || "Image";
