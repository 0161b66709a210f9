/** Names of files as strangers give them: only plain names of one folder ever reach the disk. */
import { extname } from "node:path";
import { AppError } from "#lib/errors.ts";

/** Most file systems end at 255 bytes; room is left for our own endings. */
const MAX_BYTES = 200;

/**
 * The name itself when it is a plain file name: no separators, no control characters, no leading dot.
 * Throws `image.bad-file-name` (invalid).
 */
export function safeFileName(name: string): string {
  const bad =
    name === "" || name.startsWith(".") || [...name].some((c) => c < " " || c === "/" || c === "\\" || c === "\u007f");
  if (bad || Buffer.byteLength(name) > MAX_BYTES) {
    throw new AppError("invalid", "image.bad-file-name", `"${printable(name)}" cannot be the name of an image file.`, {
      hint: `A name has no slashes or control characters, does not begin with a dot and is at most ${MAX_BYTES} bytes long.`,
    });
  }
  return name;
}

/** Stands in a version's folder for a file that came packed and is now what was in it. Hidden: no file of the image. */
export const unpackedMark = (fileName: string): string => `.${fileName}.unpacked`;

/** The name of an image when nobody said one: the file's name without its ending. */
export function imageNameOf(fileName: string): string {
  const stem = fileName.slice(0, fileName.length - extname(fileName).length).trim();
  const clean = [...(stem === "" ? fileName : stem)]
    .filter((c) => c >= " " && c !== "/" && c !== "\\")
    .join("")
    .trim();
  return clean.slice(0, 100).trim() || "Image";
}

function printable(name: string): string {
  return [...name.slice(0, 80)].map((c) => (c < " " || c === "\u007f" ? "\ufffd" : c)).join("");
}
