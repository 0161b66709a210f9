/** The formats as data: whoever adds one to the domain's list must add it here, or this does not compile. */
import { DISK_FORMAT_LABEL, type DiskFormatId, type SourceFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import { BackingChain, type OtherFormats } from "./backing/backing-chain.ts";
import { inPartWords, refuseJoined, refuseKnownPart } from "./content/part-file.ts";
import { recognise } from "./content/recognise.ts";
import { refuseContent, unknownFormat } from "./content/refuse.ts";
import type { DiskFormat, ImageFormat, OpenContext, OpenedImage } from "./format.ts";
import { parallels } from "./formats/parallels/index.ts";
import { qcow2 } from "./formats/qcow2/index.ts";
import { qed } from "./formats/qed/index.ts";
import { raw } from "./formats/raw/index.ts";
import { vdi } from "./formats/vdi/index.ts";
import { vhd } from "./formats/vhd/index.ts";
import { vhdx } from "./formats/vhdx/index.ts";
import { vmdk } from "./formats/vmdk/index.ts";
import type { ImageFile } from "./io.ts";

export const FORMATS = { raw, qcow2, vmdk, vhd, vhdx, vdi } satisfies Record<DiskFormatId, DiskFormat>;
const READ = { ...FORMATS, qed, parallels } satisfies Record<SourceFormatId, ImageFormat>;

/** The format by its id, for callers that parse its options by its own schema. */
export function formatOf(id: DiskFormatId): DiskFormat {
  return FORMATS[id];
}

/** As formatOf, of those that are read. */
export function sourceFormatOf(id: SourceFormatId): ImageFormat {
  return READ[id];
}

const HEAD_BYTES = 65_536;
const TAIL_BYTES = 4096;

/** The formats that these first and last bytes of a file are of; ought to be one. */
export function formatsOf(head: Uint8Array, tail: Uint8Array): readonly ImageFormat[] {
  return Object.values<ImageFormat>(READ).filter((format) => format.matches(head, tail));
}

/**
 * What the content says; null when it says nothing. Never raw: any bytes could be a raw disk.
 * Throws `image.ambiguous-format` when it could be two, which a guest can bring about by writing to its disk.
 */
export async function detectFormat(image: ImageFile, signal?: AbortSignal): Promise<SourceFormatId | null> {
  const { bytes } = image;
  const head = Buffer.alloc(Math.min(HEAD_BYTES, bytes.size));
  const tail = Buffer.alloc(Math.min(TAIL_BYTES, bytes.size));
  await bytes.read(0, head, signal);
  await bytes.read(bytes.size - tail.length, tail, signal);
  const found = formatsOf(head, tail);
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
  readonly from?: SourceFormatId;
  readonly signal?: AbortSignal;
}

const OTHERS: OtherFormats = {
  detect: detectFormat,
  open: (file, format, chain, signal) => sourceFormatOf(format).open(file, signal, { chain, said: true }),
};

/** For one image that is opened for itself. */
export function newContext(said: boolean): OpenContext {
  return { chain: new BackingChain(OTHERS), said };
}

/**
 * Opens an image by content. The result owns `image.bytes` and every file it opened.
 * Throws `image.unknown-format`, `image.archive`, `image.part`, `image.not-a-disk`, `image.unsupported-format`,
 * `image.encrypted`, `image.format-mismatch`, `image.ambiguous-format`, and what the format throws.
 */
export async function openImage(image: ImageFile, options: OpenImageOptions = {}): Promise<OpenedImage> {
  const { from, signal } = options;
  if (from === "raw") return raw.open(image, signal);
  const found = await detectFormat(image, signal).catch((error: unknown) => {
    if (from !== undefined && error instanceof AppError && error.code === "image.ambiguous-format") return from;
    throw error;
  });
  // A person who says what the file is knows that it is no part.
  if (from === undefined) await refuseJoined(image);
  if (found !== null && (from === undefined || found === from)) {
    try {
      return await sourceFormatOf(found).open(image, signal, newContext(from !== undefined));
    } catch (error) {
      throw inPartWords(image, error);
    }
  }
  const content = found === null ? await recognise(image, signal) : null;
  if (from !== undefined) {
    const is =
      found !== null
        ? `it is ${DISK_FORMAT_LABEL[found]}`
        : content?.kind === "other"
          ? `it ${content.what}`
          : "its content does not say so";
    throw new AppError(
      "unprocessable",
      "image.format-mismatch",
      `${image.name} was said to be ${DISK_FORMAT_LABEL[from]}, but ${is}.`,
      {
        hint:
          content?.kind === "other"
            ? content.hint
            : "Leave the format out, and it is found by content; or say raw to take the bytes as they are.",
        details: { file: image.name, said: from, found },
      },
    );
  }
  refuseKnownPart(image);
  if (content?.kind === "other") refuseContent(image, content);
  throw unknownFormat(image, content);
}
