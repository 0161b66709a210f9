/** The errors for what is no disk, and for what nobody has said to be one. */
import { AppError } from "#lib/errors.ts";
import { refused } from "../image-error.ts";
import type { ImageFile } from "../io.ts";
import type { Content, OtherContent } from "./content.ts";

/** Codes of errors that say of a file alone that it is no disk image: one of several files may well be none. */
const NO_IMAGE = new Set([
  "image.unknown-format",
  "image.archive",
  "image.not-a-disk",
  "image.part",
  "image.unsupported-format",
]);

export function saysNoImage(error: unknown): boolean {
  return error instanceof AppError && NO_IMAGE.has(error.code);
}

export function refuseContent(image: ImageFile, { code, what, hint }: OtherContent): never {
  throw refused(image.name, 0, code, what, hint);
}

/** The file may be a disk, byte for byte, but nobody said so. */
export function unknownFormat(image: ImageFile, content: Content | null): AppError {
  const { name } = image;
  const [message, hint] = words(name, content);
  return new AppError("unprocessable", "image.unknown-format", message, { hint, details: { file: name } });
}

function words(name: string, content: Content | null): readonly [message: string, hint: string] {
  if (content?.kind === "disk") {
    return [
      `${name} is in no image format; it holds ${content.what}, as a disk does byte for byte.`,
      /\.vmdk$/i.test(name)
        ? "It seems to be the data of a VMDK of two files: bring its descriptor, the small text file that names it, and open that. If the file is a whole disk, say that its format is raw."
        : "If the file is a whole disk, say that its format is raw.",
    ];
  }
  if (content?.kind === "unknown" && content.zeros) {
    return [
      `${name} is in no format that is known here: it holds zeros wherever it was looked at.`,
      "Most likely its download or copy did not end: get it again. If it is a disk that nobody has written to, say that its format is raw.",
    ];
  }
  return [
    `${name} is in no format that is known here.`,
    "If the file is the disk itself, byte for byte, say that its format is raw.",
  ];
}
