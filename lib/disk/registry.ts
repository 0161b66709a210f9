/** The formats as data: whoever adds one to the domain's list must add it here, or this does not compile. */
import { DISK_FORMAT_LABEL, type DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { looksLikeTar } from "./containers/tar/header.ts";
import type { DiskFormat, OpenedImage } from "./format.ts";
import { qcow2 } from "./formats/qcow2/index.ts";
import { raw } from "./formats/raw/index.ts";
import { vdi } from "./formats/vdi/index.ts";
import { vhd } from "./formats/vhd/index.ts";
import { vhdx } from "./formats/vhdx/index.ts";
import { vmdk } from "./formats/vmdk/index.ts";
import type { ImageFile } from "./io.ts";

export const FORMATS = { raw, qcow2, vmdk, vhd, vhdx, vdi } satisfies Record<DiskFormatId, DiskFormat>;

/** The format by its id, for callers that parse its options by its own schema. */
export function formatOf(id: DiskFormatId): DiskFormat {
  return FORMATS[id];
}

const HEAD_BYTES = 65_536;
const TAIL_BYTES = 4096;
const TAR_HEADER_BYTES = 512;

/**
 * What the content says; null when it says nothing. Never raw: any bytes could be a raw disk.
 * Throws `image.ambiguous-format` when it could be two, which a guest can bring about by writing to its disk.
 */
export async function detectFormat(image: ImageFile, signal?: AbortSignal): Promise<DiskFormatId | null> {
  const { bytes } = image;
  const head = Buffer.alloc(Math.min(HEAD_BYTES, bytes.size));
  const tail = Buffer.alloc(Math.min(TAIL_BYTES, bytes.size));
  await bytes.read(0, head, signal);
  await bytes.read(bytes.size - tail.length, tail, signal);
  const found = Object.values<DiskFormat>(FORMATS).filter((format) => format.matches(head, tail));
  if (found.length > 1) {
    throw new AppError(
      "unprocessable",
      "image.ambiguous-format",
      `${image.name} could be ${found.map((format) => format.label).join(" or ")}.`,
      { hint: "Say which format it is.", details: { file: image.name, formats: found.map((format) => format.id) } },
    );
  }
  return found[0]?.id ?? null;
}

export interface OpenImageOptions {
  /** What the person says it is. Raw is obeyed always; any other must agree with the content. */
  readonly from?: DiskFormatId;
  readonly signal?: AbortSignal;
}

/**
 * Opens an image by content. The result owns `image.bytes` and every file it opened.
 * Throws `image.unknown-format`, `image.archive`, `image.format-mismatch`, `image.ambiguous-format`, and what the format throws.
 */
export async function openImage(image: ImageFile, options: OpenImageOptions = {}): Promise<OpenedImage> {
  const { from, signal } = options;
  if (from === "raw") return raw.open(image);
  const found = await detectFormat(image, signal).catch((error: unknown) => {
    if (from !== undefined && error instanceof AppError && error.code === "image.ambiguous-format") return from;
    throw error;
  });
  if (from !== undefined && found !== from) {
    throw new AppError(
      "unprocessable",
      "image.format-mismatch",
      `${image.name} was said to be ${DISK_FORMAT_LABEL[from]}, but ${found === null ? "its content does not say so" : `it is ${DISK_FORMAT_LABEL[found]}`}.`,
      {
        hint: "Leave the format out, and it is found by content; or say raw to take the bytes as they are.",
        details: { file: image.name, said: from, found },
      },
    );
  }
  if (found === null) {
    await refuseArchive(image, signal);
    throw new AppError("unprocessable", "image.unknown-format", `${image.name} is in no format that is known here.`, {
      hint: "If the file is the disk itself, byte for byte, say that its format is raw.",
      details: { file: image.name },
    });
  }
  return formatOf(found).open(image, signal);
}

/** Throws `image.archive` for a tar: it may hold disks, but is none. */
async function refuseArchive(image: ImageFile, signal: AbortSignal | undefined): Promise<void> {
  const head = Buffer.alloc(Math.min(TAR_HEADER_BYTES, image.bytes.size));
  await image.bytes.read(0, head, signal);
  if (!looksLikeTar(head)) return;
  throw new AppError("unprocessable", "image.archive", `${image.name} is an archive of files, not one disk.`, {
    hint: "A package of a machine is an .ova with an .ovf descriptor in it, or an .xva. Unpack any other archive first.",
    details: { file: image.name, offset: 0 },
  });
}
